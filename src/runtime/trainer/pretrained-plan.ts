/**
 * Which tensor of a file becomes which weight: by names alone, before any value is read. All that does not fit is told at once.
 */
import type { PretrainedOptions } from '../addons/pretrained.js';
import { storedWeights, type StoredWeight } from '../checkpoint/layouts.js';
import type { Part } from '../nn/module.js';
import { isAmong, matchesPath } from '../optim/patterns.js';
import { RunError } from '../run/run-error.js';
import { didYouMean } from '../../values/near.js';
import { renamerOf } from '../../values/renames.js';

/** A tensor in a file, without its values. */
export interface FileTensor {
  /** As the file has it. */
  readonly name: string;
  /** Its element type in the file, e.g. `BF16`. */
  readonly stored: string;
  /** What it is read as; null where it is not. */
  readonly dtype: string | null;
  readonly shape: readonly number[];
}

/** What is loaded. */
export interface LoadPlan {
  /** Weights by the names of the file's tensors. */
  readonly taken: ReadonlyMap<string, StoredWeight>;
  /** Paths below `into` of weights that keep their first values. */
  readonly fresh: readonly string[];
  /** Names of tensors that are not to be loaded. */
  readonly unused: readonly string[];
}

/** A tensor on its way: its name in the file, and what renamings have made of it. */
interface Named {
  readonly tensor: FileTensor;
  readonly name: string;
}

const renameAdvice =
  'rename what has another name; name in `unused` what is not to be loaded, in `fresh` what keeps its first values';

/** Throws a RunError that lists all differences between the file and the part, a line each. */
export function planLoading(
  part: Part,
  options: PretrainedOptions,
  file: readonly FileTensor[],
  { label, advice = renameAdvice }: { readonly label: string; readonly advice?: string | undefined },
): LoadPlan {
  const { from, into, layout = 'ztrain', unused = [], fresh = [] } = options;
  const { weights, besides } = storedWeights(part, layout);
  const problems: string[] = [];
  const prefix = layout === 'ztrain' ? `${into}.` : '';
  const known = file.map(({ name }) => name);
  const paths = weights.map(({ path }) => path);
  for (const [option, patterns, names] of [
    ['unused', unused, known.map((name) => plainName(name, layout))],
    ['fresh', fresh, paths],
  ] as const)
    for (const pattern of patterns)
      if (!names.some((name) => matchesPath(pattern, name)))
        problems.push(
          `${option}: ${JSON.stringify(pattern)} matches ${option === 'unused' ? 'no tensor of the file' : `no weight of ${into}`}`,
        );
  const isUnused = (tensor: FileTensor): boolean =>
    isAmong({ match: unused }, plainName(tensor.name, layout));
  const offered = renamed(
    file.filter((tensor) => !isUnused(tensor)),
    options,
    problems,
  );
  const byName = new Map(offered.map((each) => [each.name, each]));
  const wanted = weights.filter(({ path }) => !isAmong({ match: fresh }, path));
  const taken = new Map<string, StoredWeight>();
  const missing: string[] = [];
  const differing: string[] = [];
  for (const stored of wanted) {
    const found = stored.names.flatMap((name) => byName.get(prefix + name) ?? [])[0];
    if (found === undefined) missing.push(lacks(stored, prefix));
    else {
      taken.set(found.tensor.name, stored);
      if (!isSame(found.tensor, stored)) differing.push(differs(found, stored, into));
    }
  }
  const others = new Set(besides.map((name) => prefix + name));
  const left = offered.filter(({ tensor, name }) => !taken.has(tensor.name) && !others.has(name));
  const free = missing.length > 0 ? wanted.flatMap(({ names }) => names.map((name) => prefix + name)) : [];
  problems.push(
    ...left.map(
      (each) =>
        `${shownName(each)} (${shownTensor(each.tensor)}) is in the file, and nothing takes it${didYouMean(each.name, free)}`,
    ),
    ...missing,
    ...differing,
  );
  if (problems.length > 0) {
    throw new RunError(
      [
        `${label}: ${from} does not fit ${into}${layout === 'ztrain' ? '' : ` with the layout of ${layout}`}:`,
        ...problems.map((problem) => `  ${problem}`),
        advice,
      ].join('\n'),
    );
  }
  return {
    taken,
    fresh: paths.filter((path) => !wanted.some((stored) => stored.path === path)),
    unused: file.filter(isUnused).map(({ name }) => name),
  };
}

/** Keras writes paths with `/`, and once ended them with `:0`: a name has dots in every layout. */
export const plainName = (name: string, layout: PretrainedOptions['layout']): string =>
  layout === 'keras' ? name.replaceAll('/', '.').replace(/:0$/, '') : name;

function renamed(
  file: readonly FileTensor[],
  { rename = [], layout }: PretrainedOptions,
  problems: string[],
): readonly Named[] {
  let names: readonly Named[] = file.map((tensor) => ({ tensor, name: plainName(tensor.name, layout) }));
  for (const pair of rename) {
    const become = renamerOf(pair);
    let count = 0;
    names = names.map((each) => {
      const name = become(each.name);
      if (name === null) return each;
      count += 1;
      return { ...each, name };
    });
    if (count === 0)
      problems.push(
        `rename: (${JSON.stringify(pair.from)}, ${JSON.stringify(pair.to)}) matches no tensor that is left of the file`,
      );
  }
  const seen = new Map<string, FileTensor>();
  for (const { tensor, name } of names) {
    const other = seen.get(name);
    if (other !== undefined)
      problems.push(`${other.name} and ${tensor.name} of the file both become ${name}`);
    else seen.set(name, tensor);
  }
  return names;
}

const isSame = (tensor: FileTensor, { shape }: StoredWeight): boolean =>
  tensor.dtype === 'f32' && tensor.shape.join() === shape.join();

const shapeText = (shape: readonly number[]): string => `[${shape.join(', ')}]`;
const shownTensor = ({ stored, shape }: FileTensor): string => `${stored}${shapeText(shape)}`;
const shownName = ({ tensor, name }: Named): string =>
  tensor.name === name ? name : `${tensor.name}, renamed to ${name},`;

function lacks({ path, names, shape }: StoredWeight, prefix: string): string {
  const [first = path] = names;
  const wanted = names.map((name) => prefix + name).join(' or ');
  const about = prefix === '' && first === path ? '' : `, for ${path}`;
  return `the file lacks ${wanted} (F32${shapeText(shape)})${about}`;
}

function differs(each: Named, { path, shape }: StoredWeight, into: string): string {
  const { dtype, stored } = each.tensor;
  const kind =
    dtype === null
      ? `; ${stored} is not read: convert that tensor to F32`
      : dtype === 'f32'
        ? ''
        : ', and weights are floating-point numbers';
  return `${shownName(each)} is ${shownTensor(each.tensor)} there, and ${into}.${path} needs F32${shapeText(shape)}${kind}`;
}
