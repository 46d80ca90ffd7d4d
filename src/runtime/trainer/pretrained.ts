/** First values of weights from a file, in a new run, before its first step. */
import { createHash } from 'node:crypto';
import { realpath, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import type { Json } from '../addons/addon.js';
import type { PretrainedOptions } from '../addons/pretrained.js';
import { fileEnding, isFolder, whyUnread } from '../checkpoint/list.js';
import { eachTensor, withCheckpoint, type Checkpoint } from '../checkpoint/read.js';
import { SafetensorsError, storedName } from '../checkpoint/safetensors.js';
import { hashFile, inDataOrder, openTensorFile } from '../checkpoint/tensor-file.js';
import type { HostTensor } from '../engine/engine.js';
import { allFinite } from '../engine/finite.js';
import { parts, weightsOf, type Part } from '../nn/module.js';
import type { Weight } from '../nn/weight.js';
import { RunError } from '../run/run-error.js';
import { didYouMean } from '../../values/near.js';
import { record } from '../../values/json-record.js';
import type { StoredWeight } from '../checkpoint/layouts.js';
import { isFigure } from './measured-figures.js';
import { planLoading, type FileTensor, type LoadPlan } from './pretrained-plan.js';
import type { ResumePoint } from './resume.js';
import { jsonRecordOf, type Lock } from './run-lock.js';
import { someNames } from './shown.js';
import type { Session } from './session.js';
import type { Prepared } from './prepared.js';

/** What a run began with. */
export interface Pretrained {
  /** For `run.json` and checkpoints: which file, and its SHA-256. */
  readonly facts: Json;
  /** For the reader; none where a run goes on, and nothing was loaded. */
  readonly lines: readonly string[];
}

/**
 * What weights begin with: a file's tensors in a new run whose spec says so. A run that goes on has its weights from its checkpoint,
 * and only keeps in mind what it once began with. Null where that is nothing. Rejects with a RunError where the file does not fit.
 */
export async function pretrainedOf(
  { session, addOns, models, copies }: Prepared,
  resume: ResumePoint | null,
  root: string,
): Promise<Pretrained | null> {
  if (resume !== null) {
    const before = record('lock', resume.state['lock'])['pretrained'];
    return before === undefined ? null : { facts: jsonRecordOf(before), lines: [] };
  }
  const standing = withCopies(models, copies);
  const owners = new Map<Weight, string>();
  const lines: string[] = [];
  let alone: Readonly<Record<string, Json>> = {};
  const named: Record<string, Json> = {};
  for (const { label, loads } of addOns) {
    if (loads === undefined) continue;
    const name = label === undefined ? 'pretrained' : `pretrained as ${label}`;
    const { facts, line } = await load(session, standing, { name, options: loads, owners }, root);
    if (label === undefined) alone = facts;
    else named[label] = facts;
    lines.push(line);
  }
  const held: Record<string, Json> = {};
  for (const [name, copy] of copies) {
    if (copy.kind !== 'frozen' || copy.from === null) continue;
    const of =
      typeof copy.of === 'string' ? copy.of : ([...models].find(([, part]) => part === copy.of)?.[0] ?? name);
    const { facts, line } = await loadFrozen(name, { part: copy.into, from: copy.from, of }, root);
    held[name] = facts;
    lines.push(line);
  }
  if (lines.length === 0) return null;
  return { facts: { ...alone, ...unlessEmpty({ named }), ...unlessEmpty({ frozen: held }) }, lines };
}

/**
 * What forbids to go on, whatever is allowed, where first values are to be from another file than those that the run began with: none is read
 * any more. Null where they are not, where only fewer are, and where what a run is made of says nothing of it (code of a trainer may find files
 * by its own means).
 */
export function otherPretrained(
  { addOns, copies }: Pick<Prepared, 'addOns' | 'copies'>,
  state: ResumePoint['state'],
  here: Lock,
): string | null {
  const lock = record('lock', state['lock']);
  const said = (of: Readonly<Record<string, unknown>>): string =>
    JSON.stringify([of['spec'], of['spec_sha256'], of['params'], of['overrides']]);
  if (said(lock) === said(here)) return null;
  const before = firstValuesIn(lock['pretrained'] ?? {});
  const now = new Map<string, string>();
  for (const { label, loads } of addOns)
    if (loads !== undefined) now.set(label ?? 'pretrained', firstValues({ ...loads }));
  for (const [name, copy] of copies)
    if (copy.kind === 'frozen' && copy.from !== null)
      now.set(`frozen ${name}`, firstValues({ from: copy.from }));
  const were = new Set(before.values());
  const [other] = [...now].filter(([, values]) => !were.has(values));
  if (other === undefined) return null;
  const [name, values] = other;
  const was = before.get(name);
  return `${name} would load ${values}, which is done before the first step of a new run alone: one that goes on has the weights of its checkpoint; ${was === undefined ? 'take it out' : `go back to ${was}, which is not read any more either`}, or begin a new run`;
}

/** What was loaded, by what loaded it, as the facts of a run have it. */
function firstValuesIn(facts: unknown): ReadonlyMap<string, string> {
  const { named = {}, frozen = {}, ...alone } = record('pretrained', facts);
  const all: readonly (readonly [name: string, loaded: unknown])[] = [
    ['pretrained', alone],
    ...Object.entries(record('named', named)),
    ...Object.entries(record('frozen', frozen)).map(([name, loaded]) => [`frozen ${name}`, loaded] as const),
  ];
  return new Map(
    all.flatMap(([name, loaded]) => {
      const { from, into, layout } = record(name, loaded);
      return from === undefined ? [] : [[name, firstValues({ from, into, layout })] as const];
    }),
  );
}

/** `net.safetensors into Net`, and whose layout it has. */
const firstValues = ({ from, into, layout = 'ztrain' }: Readonly<Record<string, unknown>>): string =>
  `${String(from)}${into === undefined ? '' : ` into ${String(into)}`}${layout === 'ztrain' ? '' : ` with the layout of ${String(layout)}`}`;

/** Models by name; of one that the trainer does not have because only frozen copies would need it, the first of these. */
const withCopies = (
  models: ReadonlyMap<string, Part>,
  copies: Prepared['copies'],
): ReadonlyMap<string, Part> => {
  const all = new Map(models);
  for (const { of, into } of copies.values()) if (typeof of === 'string' && !all.has(of)) all.set(of, into);
  return all;
};

/** The fields that hold anything. */
const unlessEmpty = (
  fields: Readonly<Record<string, Readonly<Record<string, Json>>>>,
): Readonly<Record<string, Json>> =>
  Object.fromEntries(Object.entries(fields).filter(([, held]) => Object.keys(held).length > 0));

/** What was loaded, for `run.json` and for the reader. */
interface Loaded {
  readonly facts: Readonly<Record<string, Json>>;
  readonly line: string;
}

/** One of the add-ons, and what those before it have loaded. */
interface Loads {
  /** In front of messages. */
  readonly name: string;
  readonly options: PretrainedOptions;
  /** Weights that have their first values from a file, and whose they are. This one's are added. */
  readonly owners: Map<Weight, string>;
}

async function load(
  session: Session,
  models: ReadonlyMap<string, Part>,
  { name, options, owners }: Loads,
  root: string,
): Promise<Loaded> {
  const { from, into, layout = 'ztrain' } = options;
  const part = partAt(models, into, name);
  // A copy that stands for a model is loaded by the name of the model.
  if (session.weights.some(({ path }) => path.startsWith(`${into.split('.')[0] ?? into}.`)))
    refuseCopies(session, part, into, name);
  const followers = followersOf(session);
  const own = new Set<Weight>();
  const planned = ({ taken }: LoadPlan): void => {
    for (const { weight, path } of new Set(taken.values())) {
      const owner = own.has(weight) ? undefined : owners.get(weight);
      if (owner !== undefined)
        throw new RunError(
          `${name}: ${into}.${path} has its first values from ${owner === name ? 'another pretrained' : owner}; name it in \`fresh\` of one of the two`,
        );
    }
    for (const { weight } of taken.values()) {
      owners.set(weight, name);
      own.add(weight);
    }
  };
  const { file, line } = await fill({ name, part, options, root, planned }, ({ weight, path }) => [
    ...new Set([weight, ...(followers.get(`${into}.${path}`) ?? [])]),
  ]);
  return { facts: { from, into, layout, ...file }, line };
}

/** A frozen copy with the weights that a file has for the model of the name `of`; what the file has besides is of other models. */
async function loadFrozen(
  name: string,
  { part, from, of }: { readonly part: Part; readonly from: string; readonly of: string },
  root: string,
): Promise<Loaded> {
  const loading = {
    name: `frozen ${name}`,
    part,
    options: { from, into: of },
    root,
    isMeant: (tensor: string) => tensor.startsWith(`${of}.`),
    advice: `take a file with weights of ${of}; or give ${of} its weights with \`addon pretrained\`, which renames, and leave \`from\` out`,
    shown: name,
  };
  const { file, line } = await fill(loading, ({ weight }) => [weight]);
  return { facts: { from, ...file }, line };
}

/** What is filled with a file's tensors, and how messages name it. */
interface Loading {
  /** In front of messages. */
  readonly name: string;
  readonly part: Part;
  readonly options: PretrainedOptions;
  readonly root: string;
  /** Which of the file's tensors are to have a weight; all unless given. */
  readonly isMeant?: (tensor: string) => boolean;
  /** Is told which weights are to be filled, before any is. */
  readonly planned?: (plan: LoadPlan) => void;
  /** What to do where the file does not fit, unless it is what `addon pretrained` can do. */
  readonly advice?: string;
  /** What was filled, unless it is what the options name. */
  readonly shown?: string;
}

async function fill(
  loading: Loading,
  weightsFor: (stored: StoredWeight) => readonly Weight[],
): Promise<{ readonly file: Readonly<Record<string, string>>; readonly line: string }> {
  const { name: label, part, options, root, isMeant = () => true, advice, shown = options.into } = loading;
  const { planned = () => undefined } = loading;
  const { from } = options;
  const source = await sourceOf(resolve(root, from), options, label);
  let plan: LoadPlan | null = null;
  // Twice where a run has removed its checkpoint meanwhile.
  const file = await source((tensors) => {
    const meant = tensors.filter(({ name }) => isMeant(name));
    const own = planLoading(part, options, meant, { label, advice });
    planned(own);
    plan = own;
    return {
      names: new Set(own.taken.keys()),
      take: (name, tensor) => {
        const stored = own.taken.get(name);
        if (stored === undefined) return;
        if (!allFinite(tensor.values))
          throw new RunError(
            `${label}: ${name} of ${from} holds a value that is not finite; take another file`,
          );
        const values = stored.place(tensor);
        for (const weight of weightsFor(stored)) weight.variable.upload(values);
      },
    };
  });
  return { file, line: plan === null ? '' : lineOf(plan, { from, into: shown }) };
}

/** `20 weights of Net are from net.safetensors; fresh: head.weight, head.bias; unused: fc.weight` */
function lineOf(
  { taken, fresh, unused }: LoadPlan,
  { from, into }: Pick<PretrainedOptions, 'from' | 'into'>,
): string {
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

async function sourceOf(
  path: string,
  { from, layout = 'ztrain' }: PretrainedOptions,
  label: string,
): Promise<Source> {
  const isRun = await isFolder(path);
  if (!isRun && !path.endsWith(fileEnding))
    return (choose) => readFileOf(path, from, { layout, label }, choose);
  if (layout !== 'ztrain')
    throw new RunError(
      `${label}: ${from} is ${isRun ? 'a folder, as runs and checkpoints are' : 'a checkpoint'}, which has ztrain's own layout; leave layout out, or name a safetensors file of ${layout}`,
    );
  return (choose) => withCheckpoint(path, (checkpoint) => readCheckpoint(checkpoint, choose));
}

const weightsFile = 'model.safetensors';

async function readCheckpoint(
  checkpoint: Checkpoint,
  choose: Choose,
): Promise<Readonly<Record<string, string>>> {
  const tensors = [...(checkpoint.tensors.get(weightsFile) ?? [])].map(([name, { dtype, shape }]) => ({
    name,
    stored: storedName(dtype),
    dtype,
    shape,
  }));
  // The new run finds figures of its own.
  const { names, take } = choose(tensors.filter(({ name }) => !isFigure(name)));
  await eachTensor(checkpoint, weightsFile, async (name, tensor) => {
    if (names.has(name)) take(name, tensor);
    return Promise.resolve();
  });
  const { folder, inOneFile } = checkpoint;
  const file = inOneFile ? folder : join(folder, weightsFile);
  return { checkpoint: basename(folder), sha256: await hashFile(file, (await stat(file)).size) };
}

async function readFileOf(
  path: string,
  from: string,
  { layout, label }: { readonly layout: string; readonly label: string },
  choose: Choose,
): Promise<Readonly<Record<string, string>>> {
  try {
    const hash = createHash('sha256');
    // Hubs keep their files behind links.
    const file = await openTensorFile(await realpath(path), null, { hash });
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
      // What is not taken still has a part in the checksum.
      const all = file.each(inDataOrder(file.entries), ({ name }) => names.has(name));
      for await (const some of all)
        for (const { entry, tensor } of some) if (tensor !== null) take(entry.name, tensor);
      return { sha256: hash.digest('hex') };
    } finally {
      await file.close();
    }
  } catch (error) {
    if (error instanceof RunError) throw error;
    throw new RunError(`${label}: ${unreadable(path, from, error)}`, { cause: error });
  }
}

function unreadable(path: string, from: string, error: unknown): string {
  if (error instanceof SafetensorsError || error instanceof SyntaxError) {
    const writer = 'save_file of safetensors.torch or safetensors.numpy';
    // The file is whole: its numbers have to be others.
    const advice = /has the element type/.test(error.message)
      ? `convert that tensor to F32, or leave it out, and write the file with ${writer}`
      : `write it with ${writer}, or fetch it again`;
    return `${from} is no safetensors file that can be read: ${error.message}; ${advice}`;
  }
  const code = error instanceof Error && 'code' in error ? error.code : null;
  return code === 'ENOENT' || code === 'ENOTDIR'
    ? `there is no file or run ${from} (looked for ${path}); correct the path, or say with --data-root where relative paths start`
    : `cannot read ${from}: ${whyUnread(error)}`;
}

/** The part of a model at a path: `Net`, `Net.blocks.0`. */
function partAt(models: ReadonlyMap<string, Part>, path: string, label: string): Part {
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
      `${label}: the trainer has no part ${path}${didYouMean(name, children.keys()) || `; there are ${[...children.keys()].join(', ')}`}`,
    );
  if (weightsOf(at).length === 0) throw new RunError(`${label}: ${path} has no weights to load`);
  return at;
}

function refuseCopies({ copied }: Session, part: Part, into: string, label: string): void {
  const source = weightsOf(part).flatMap((weight) => copied.get(weight) ?? [])[0];
  if (source !== undefined)
    throw new RunError(
      `${label}: ${into} is a copy, which begins with the weights that it is a copy of; load into ${source.split('.')[0] ?? source}`,
    );
}

/** Weights of copies by the paths of the weights whose values they begin with. */
function followersOf({ copied }: Session): ReadonlyMap<string, readonly Weight[]> {
  const followers = new Map<string, Weight[]>();
  for (const [weight, path] of copied) followers.set(path, [...(followers.get(path) ?? []), weight]);
  return followers;
}
