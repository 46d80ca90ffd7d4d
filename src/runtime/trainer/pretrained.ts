/** First values of weights from a file, in a new run, before its first step. */
import { createHash } from 'node:crypto';
import { realpath, stat } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import type { Json } from '../addons/addon.js';
import type { PretrainedOptions } from '../addons/pretrained.js';
import { fileEnding, isFolder, whyUnread } from '../checkpoint/list.js';
import { eachTensor, findCheckpoint } from '../checkpoint/read.js';
import { SafetensorsError, storedName } from '../checkpoint/safetensors.js';
import { hashFile, inDataOrder, openTensorFile } from '../checkpoint/tensor-file.js';
import type { HostTensor } from '../engine/engine.js';
import { parts, weightsOf, type Part } from '../nn/module.js';
import type { Weight } from '../nn/weight.js';
import { RunError } from '../run/run-error.js';
import { didYouMean } from '../../values/near.js';
import { record } from '../../values/json-record.js';
import { planLoading, type FileTensor, type LoadPlan } from './pretrained-plan.js';
import type { ResumePoint } from './resume.js';
import { jsonRecordOf } from './run-lock.js';
import { someNames } from './shown.js';
import type { Session } from './session.js';
import type { Prepared } from './trainer.js';

/** What a run began with. */
export interface Pretrained {
  /** For `run.json` and checkpoints: which file, and its SHA-256. */
  readonly facts: Json;
  /** For the reader; null where a run goes on, and nothing was loaded. */
  readonly line: string | null;
}

/**
 * What weights begin with: a file's tensors in a new run whose spec says so. A run that goes on has its weights from its checkpoint,
 * and only keeps in mind what it once began with. Null where that is nothing. Rejects with a RunError where the file does not fit.
 */
export async function pretrainedOf(
  { session, addOns, models }: Prepared,
  resume: ResumePoint | null,
  root: string,
): Promise<Pretrained | null> {
  if (resume !== null) {
    const before = record('lock', resume.state['lock'])['pretrained'];
    return before === undefined ? null : { facts: jsonRecordOf(before), line: null };
  }
  const options = addOns.find(({ loads }) => loads !== undefined)?.loads;
  return options === undefined ? null : load(session, models, options, root);
}

async function load(
  session: Session,
  models: ReadonlyMap<string, Part>,
  options: PretrainedOptions,
  root: string,
): Promise<Pretrained> {
  const { from, into, layout = 'ztrain' } = options;
  const part = partAt(models, into);
  refuseCopies(session, part, into);
  const source = await sourceOf(resolve(root, from), options);
  const followers = followersOf(session);
  const plans: LoadPlan[] = [];
  const file = await source((tensors) => {
    const plan = planLoading(part, options, tensors);
    plans.push(plan);
    return {
      names: new Set(plan.taken.keys()),
      take: (name, tensor) => {
        const stored = plan.taken.get(name);
        if (stored === undefined) return;
        if (!tensor.values.every((value) => Number.isFinite(value)))
          throw new RunError(
            `pretrained: ${name} of ${from} holds a value that is not finite; take another file`,
          );
        const values = stored.place(tensor);
        for (const variable of [stored.weight, ...(followers.get(`${into}.${stored.path}`) ?? [])])
          variable.variable.upload(values);
      },
    };
  });
  return {
    facts: { from, into, layout, ...file },
    line: plans.map((plan) => lineOf(plan, options)).join('; '),
  };
}

/** `20 weights of Net are from net.safetensors; fresh: head.weight, head.bias; unused: fc.weight` */
function lineOf({ taken, fresh, unused }: LoadPlan, { from, into }: PretrainedOptions): string {
  // Two tensors of a file may make one weight.
  const count = new Set([...taken.values()].map(({ path }) => path)).size;
  const one = count === 1;
  return [
    `${count} ${one ? 'weight' : 'weights'} of ${into} ${one ? 'is' : 'are'} from ${from}`,
    ...(fresh.length === 0 ? [] : [`fresh: ${someNames(fresh)}`]),
    ...(unused.length === 0 ? [] : [`unused: ${someNames(unused)}`]),
  ].join('; ');
}

/** What is to be done with a file once its tensors are known by name. */
type Choose = (tensors: readonly FileTensor[]) => {
  readonly names: ReadonlySet<string>;
  readonly take: (name: string, tensor: HostTensor) => void;
};
/** Reads a file, and says what it was. */
type Source = (choose: Choose) => Promise<Readonly<Record<string, string>>>;

async function sourceOf(path: string, { from, layout = 'ztrain' }: PretrainedOptions): Promise<Source> {
  const isRun = await isFolder(path);
  if (!isRun && !path.endsWith(fileEnding)) return (choose) => readFileOf(path, from, layout, choose);
  if (layout !== 'ztrain')
    throw new RunError(
      `pretrained: ${from} is ${isRun ? 'a folder, as runs and checkpoints are' : 'a checkpoint'}, which has ztrain's own layout; leave layout out, or name a safetensors file of ${layout}`,
    );
  return (choose) => readCheckpoint(path, choose);
}

const weightsFile = 'model.safetensors';

/** Figures of measure steps are no weights: the new run finds its own. */
const isFigure = (name: string): boolean => name.startsWith('measured/');

async function readCheckpoint(path: string, choose: Choose): Promise<Readonly<Record<string, string>>> {
  const checkpoint = await findCheckpoint(path);
  const tensors = [...(checkpoint.tensors.get(weightsFile) ?? [])].map(([name, { dtype, shape }]) => ({
    name,
    stored: storedName(dtype),
    dtype,
    shape,
  }));
  const { names, take } = choose(tensors.filter(({ name }) => !isFigure(name)));
  await eachTensor(checkpoint, weightsFile, async (name, tensor) => {
    if (names.has(name)) take(name, tensor);
    return Promise.resolve();
  });
  const { folder, inOneFile, files } = checkpoint;
  const whole = inOneFile ? await hashFile(folder, (await stat(folder)).size) : null;
  return { checkpoint: basename(folder), sha256: whole ?? files.get(weightsFile)?.sha256 ?? '' };
}

async function readFileOf(
  path: string,
  from: string,
  layout: string,
  choose: Choose,
): Promise<Readonly<Record<string, string>>> {
  try {
    const hash = createHash('sha256');
    // Hubs keep their files behind links.
    const file = await openTensorFile(await realpath(path), null, undefined, hash);
    try {
      const tensors = file.entries.map(({ name, type, shape }) => ({
        name,
        stored: type.name,
        dtype: type.dtype,
        shape,
      }));
      const { names, take } = choose(
        layout === 'ztrain' ? tensors.filter(({ name }) => !isFigure(name)) : tensors,
      );
      for (const entry of inDataOrder(file.entries)) {
        // What is not taken still has a part in the checksum.
        if (names.has(entry.name)) take(entry.name, (await file.read(entry)).tensor);
        else await file.checksum(entry);
      }
      return { sha256: hash.digest('hex') };
    } finally {
      await file.close();
    }
  } catch (error) {
    if (error instanceof RunError) throw error;
    throw new RunError(unreadable(path, from, error), { cause: error });
  }
}

function unreadable(path: string, from: string, error: unknown): string {
  if (error instanceof SafetensorsError || error instanceof SyntaxError) {
    const advice = 'write it with save_file of safetensors.torch or safetensors.numpy';
    return `pretrained: ${from} is no safetensors file that can be read: ${error.message}; ${advice}, or fetch it again`;
  }
  const code = error instanceof Error && 'code' in error ? error.code : null;
  return code === 'ENOENT' || code === 'ENOTDIR'
    ? `pretrained: there is no file or run ${from} (looked for ${path}); correct the path, or say with --data-root where relative paths start`
    : `pretrained: cannot read ${from}: ${whyUnread(error)}`;
}

/** The part of a model at a path: `Net`, `Net.blocks.0`. */
function partAt(models: ReadonlyMap<string, Part>, path: string): Part {
  const [model = '', ...names] = path.split('.');
  let at = models.get(model);
  let children = new Map(models);
  let name = model;
  for (const next of names) {
    if (at === undefined) break;
    children = new Map(at[parts].children);
    at = children.get(next);
    name = next;
  }
  if (at === undefined)
    throw new RunError(
      `pretrained: the trainer has no part ${path}${didYouMean(name, children.keys()) || `; there are ${[...children.keys()].join(', ')}`}`,
    );
  if (weightsOf(at).length === 0) throw new RunError(`pretrained: ${path} has no weights to load`);
  return at;
}

function refuseCopies({ copied }: Session, part: Part, into: string): void {
  const source = weightsOf(part).flatMap((weight) => copied.get(weight) ?? [])[0];
  if (source !== undefined)
    throw new RunError(
      `pretrained: ${into} is a copy, which begins with the weights that it is a copy of; load into ${source.split('.')[0] ?? source}`,
    );
}

/** Weights of copies by the paths of the weights whose values they begin with. */
function followersOf({ copied }: Session): ReadonlyMap<string, readonly Weight[]> {
  const followers = new Map<string, Weight[]>();
  for (const [weight, path] of copied) followers.set(path, [...(followers.get(path) ?? []), weight]);
  return followers;
}
