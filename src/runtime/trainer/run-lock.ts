/**
 * What a run is made of, as its checkpoints keep it: its params, options, overrides, data and spec. A run that goes on from a
 * checkpoint is the same run only where all of these are the same; what differs is told, and goes on only where it is meant.
 */
import type { Json } from '../addons/addon.js';
import { didYouMean } from '../../values/near.js';
import { nameAndText, parseOption, UsageError, type OptionValue } from '../../values/overrides.js';
import { settingText } from '../../values/sweep.js';
import type { Checkpoint } from '../checkpoint/read.js';
import type { Attribute } from './attributes.js';
import { epochOrderOf } from './epoch-order.js';
import { RunError } from '../run/run-error.js';
import { jsonOf } from '../run/folder.js';
import { record } from '../../values/json-record.js';
import { optionFacts } from './option-facts.js';
import { filesOfSet } from './read-files.js';
import { paramsByName, readFiles } from './run-record.js';
import type { AnyTrainer, RunOptions } from './run.js';
import type { Session } from './session.js';
import { counted, grouped } from '../../values/counted.js';

/** Facts by name: those of params by the param's, those of options and overrides as the command line has them. */
export type Lock = Readonly<Record<string, Json>>;

/** The facts of a run. Waits until the checksums of its data are known. */
export async function lockOf(trainer: AnyTrainer, session: Session): Promise<Lock> {
  const { options, spec, overrides } = trainer;
  return {
    spec: (spec.files ?? []).map(({ path, text }) => ({ path, text })),
    externs: (spec.externs ?? []).map(({ path, sha256 }) => ({ path, sha256 })),
    // Of a trainer that is a part of another program this is all that is known of its spec.
    spec_sha256: spec.sha256 ?? null,
    // What it means, whatever its comments say. Null where the trainer was written by hand, or built before it was told.
    spec_tokens_sha256: spec.tokensSha256 ?? null,
    // Told where it is another one, not refused.
    compiler: spec.compiler ?? null,
    params: paramsByName(trainer),
    options: optionFacts(options),
    // What `mixed` is depends on the device.
    computes_in: session.engine.computesIn,
    // Null where data has no epochs. Kept, and compared by `otherEpochs`.
    steps_per_epoch: session.isEndless ? null : session.pace.stepsPerEpoch,
    // Kept, and compared by `otherOrder`.
    epoch_order: epochOrderOf(session),
    overrides: [...overrides],
    // Of before they held for what amends their owner it says nothing: `reachedHeirs`.
    overrides_reach_heirs: true,
    data: await readFiles(session),
    // Kept, not compared: a run that goes on has no need of the file.
    ...(session.pretrained === null ? {} : { pretrained: session.pretrained.facts }),
  };
}

/** What was read from a file as JSON, by name. Throws where it is no record. */
export function jsonRecordOf(value: unknown): Readonly<Record<string, Json>> {
  return Object.fromEntries(Object.entries(record('state', value)).map(([key, each]) => [key, jsonOf(each)]));
}

/** A fact that is another one now. */
interface Difference {
  /** What `--allow` takes. */
  readonly name: string;
  readonly lines: readonly string[];
}

/** Overrides that change nothing of what is trained. */
const harmless =
  /^(?:trainer\.(?:progress|summary|profile|run_dir|sanity|dev_run|detect_anomaly)|\w+\.(?:workers|prefetch))=/;

/** Whether an override, `owner.option=value`, changes nothing of what is computed. */
export const isHarmless = (override: string): boolean => harmless.test(override);

/** What `owner.option` is, and what the spec says of it. */
type KnownAttribute = (name: string) => Attribute | null;

/** The value of an override by its declared type; undefined where it has none of that. */
function valueOf({ declaration }: Attribute, text: string): OptionValue | undefined {
  try {
    return parseOption('', declaration, text);
  } catch (error) {
    if (error instanceof UsageError) return undefined;
    throw error;
  }
}

/**
 * Whether an attribute has one value by two texts; what is no text is what the spec says, of which nothing is known where it is another one.
 * `0.001` and `1e-3` are one number, `60.seconds` and `1.minute` one time, and what the spec says already is nothing new.
 */
export function isSameAttribute(
  known: Attribute | null,
  was: unknown,
  is: unknown,
  isSameSpec = true,
): boolean {
  if (known === null) return false;
  const bySpecOr = (text: unknown): OptionValue | undefined =>
    typeof text === 'string' ? valueOf(known, text) : isSameSpec ? known.inSpec : undefined;
  const [before, now] = [bySpecOr(was), bySpecOr(is)];
  return before !== undefined && JSON.stringify(before) === JSON.stringify(now);
}

/**
 * Throws a RunError that shows what differs and is not allowed, a UsageError where something is allowed that no run has. `there` is
 * what the checkpoint says.
 */
export function compareLocks(
  from: string,
  there: unknown,
  here: Lock,
  allowed: readonly string[],
  {
    attribute = () => null,
    never = null,
    allowedBefore = () => false,
  }: {
    readonly attribute?: KnownAttribute;
    readonly never?: string | null;
    readonly allowedBefore?: RunOptions['allowedBefore'];
  } = {},
): readonly string[] {
  const before = record('lock', there);
  const isText = hasTexts(before, here);
  const otherSpec = otherSpecs(before, here);
  // What another spec has said is not known.
  const bySpec = (name: string): string => {
    const value = otherSpec.length > 0 ? undefined : attribute(name)?.inSpec;
    return value === undefined ? 'as in the spec' : `${settingText(value)} (as in the spec)`;
  };
  const isSameValue = (name: string, was: unknown, is: unknown): boolean =>
    isSameAttribute(attribute(name), was, is, otherSpec.length === 0);
  const differences = [
    ...differencesOf(record('params', before['params']), record('params', here['params']), (name) => name),
    ...differencesOf(
      record('options', before['options']),
      record('options', here['options']),
      (name) => `trainer.${name}`,
    ),
    ...differencesOf(
      overridesOf(before['overrides']),
      overridesOf(here['overrides']),
      (name) => name,
      bySpec,
      isSameValue,
    ),
    ...dataDifferences(record('data', before['data']), record('data', here['data'])),
    ...otherSpec,
    ...(isText ? externDifferences(before['externs'], here['externs']) : []),
    ...numberDifferences(before['computes_in'], here['computes_in']),
  ];
  const known = new Set([
    ...Object.keys(record('params', here['params'])),
    ...Object.keys(record('options', here['options'])),
    ...Object.keys(record('options', here['options'])).map((name) => `trainer.${name}`),
    ...Object.keys(overridesOf(here['overrides'])),
    ...Object.keys(overridesOf(before['overrides'])),
    'data',
    'spec',
    'metrics',
  ]);
  for (const name of allowed)
    if (!known.has(name))
      throw new UsageError(`--allow ${name}: a run has no such thing${didYouMean(name, [...known])}`);
  const isAllowed = ({ name, lines }: Difference): boolean =>
    allowed.includes(name) || allowed.includes(name.replace(/^trainer\./, '')) || allowedBefore(name, lines);
  const refused = differences.filter((each) => !isAllowed(each));
  if (refused.length > 0) {
    const names = [...new Set(refused.map(({ name }) => name.replace(/^trainer\./, '')))];
    throw new RunError(
      [
        `cannot go on from ${from}, this run is another one:`,
        ...refused.flatMap(({ lines }) => lines.map((line) => `  ${line}`)),
        never ??
          `go back to what it was, or say that it is meant: --allow ${[...allowed, ...names].join(',')}`,
      ].join('\n'),
    );
  }
  if (never !== null) throw new RunError(`cannot go on from ${from}: ${never}`);
  return differences.flatMap(({ lines }) => lines);
}

/** What makes the models and is not as the checkpoint says that it was, a line each; `settings` are its params that are other ones now; `tokensSha256` is of its spec. */
export function changedModels(
  { params, specFiles, specSha256 }: Pick<Checkpoint, 'params' | 'specFiles' | 'specSha256'>,
  trainer: AnyTrainer,
  tokensSha256: unknown,
): {
  readonly settings: readonly string[];
  readonly params: readonly string[];
  readonly spec: readonly string[];
} {
  const { files = [], sha256 = null } = trainer.spec;
  const other = differencesOf(Object.fromEntries(params), paramsByName(trainer), (name) => name);
  const before = { spec: specFiles, spec_sha256: specSha256, spec_tokens_sha256: tokensSha256 };
  const spec = meansTheSame(before, trainer.spec.tokensSha256)
    ? []
    : textDifferences(before, { spec: files, spec_sha256: sha256 });
  const linesOf = (differences: readonly Difference[]): readonly string[] =>
    differences.flatMap(({ lines }) => lines);
  return {
    settings: other.flatMap(({ name }) => (params.has(name) ? [`${name}=${shown(params.get(name))}`] : [])),
    params: linesOf(other),
    spec: linesOf(spec),
  };
}

/**
 * What forbids to go on, whatever is allowed, where an epoch has another number of steps than in the run of which `state` is: a step's epoch
 * and its place in the data are counted by that number, so that epochs would jump and rows come twice or not at all. Null where it has not.
 */
export function otherEpochs(state: Readonly<Record<string, unknown>>, here: Lock): string | null {
  const now = here['steps_per_epoch'];
  const before = record('lock', state['lock']);
  const was =
    before['steps_per_epoch'] === undefined ? stepsByPlace(state, before) : before['steps_per_epoch'];
  if (typeof now !== 'number' || typeof was !== 'number' || was === now) return null;
  const step = Number(state['step']);
  const place = (steps: number): string => `epoch ${(step / steps).toFixed(2)}`;
  return `an epoch had ${counted(was, 'step')} and has ${grouped(now)} now, with which step ${step} would lie at ${place(now)}, not at ${place(was)}; keep batch, accumulate, limit and the number of rows as they were, or begin a new run from its weights by the add-on pretrained`;
}

/** Steps of an epoch by the place in the data, of a checkpoint that does not say them; null in the first epoch. */
function stepsByPlace(
  state: Readonly<Record<string, unknown>>,
  lock: Readonly<Record<string, unknown>>,
): number | null {
  const { epoch, batch } = record('position', state['position']);
  const { accumulate } = record('options', lock['options']);
  const steps =
    (Number(state['step']) - Number(batch) / (typeof accumulate === 'number' ? accumulate : 1)) /
    Number(epoch);
  return Number.isSafeInteger(steps) && steps > 0 ? steps : null;
}

/** Params that keep a default which is another one now, a line each. `allowed`: what is allowed already, and is to be given again. */
export function keptDefaults(trainer: AnyTrainer, allowed: readonly string[]): readonly string[] {
  const values = new Map<string, unknown>(Object.entries(trainer.params));
  const origins = new Map(Object.entries(trainer.resolved.origins));
  return trainer.spec.params.flatMap(({ name, key, default: now }) => {
    const value = values.get(key);
    if (origins.get(name) !== 'default' || now === undefined || value === now) return [];
    return [
      `${name} stays ${shown(value)}, with which the run began; for ${shown(now)}: ${name}=${shown(now)} --allow ${[...new Set([...allowed, name])].join(',')}`,
    ];
  });
}

type Facts = Readonly<Record<string, unknown>>;

function differencesOf(
  before: Facts,
  now: Facts,
  named: (name: string) => string,
  unset: (name: string) => string = () => shown(undefined),
  isSame: (name: string, was: unknown, is: unknown) => boolean = () => false,
): readonly Difference[] {
  return [...new Set([...Object.keys(before), ...Object.keys(now)])].flatMap((key): Difference[] => {
    const [was, is] = [shown(before[key]), shown(now[key])];
    if (was === is) return [];
    const name = named(key);
    if (isSame(name, before[key], now[key])) return [];
    const said = (facts: Facts, value: string): string => (facts[key] === undefined ? unset(name) : value);
    return [{ name, lines: [`${name} was ${said(before, was)}, is ${said(now, is)}`] }];
  });
}

const shown = (value: unknown): string =>
  value === undefined || value === null
    ? 'not set'
    : typeof value === 'string'
      ? value
      : JSON.stringify(value);

/** `owner.option=value` by `owner.option`; those of the trainer are among its options. */
function overridesOf(overrides: unknown): Facts {
  if (!Array.isArray(overrides)) return {};
  return Object.fromEntries(
    overrides
      .map(String)
      .flatMap((text) => (isHarmless(text) || text.startsWith('trainer.') ? [] : [nameAndText(text)])),
  );
}

/** Of the sets that both runs have opened: a test of the checkpoint opens others. A file that several sets read is told once. */
function dataDifferences(before: Facts, now: Facts): readonly Difference[] {
  const lines: string[] = [];
  const setsOf = new Map<string, string[]>();
  const tell = (label: string, line: string): void => {
    const labels = setsOf.get(line) ?? [];
    setsOf.set(line, [...labels, label]);
  };
  for (const label of Object.keys(now)) {
    if (before[label] === undefined) continue;
    const [was, is] = [record(label, before[label]), record(label, now[label])];
    if (JSON.stringify(was) === JSON.stringify(is)) continue;
    const [old, young] = [filesOfSet(was), filesOfSet(is)];
    // A version that did not look at the source's files knows its rows alone.
    if (old.length === 0 && was['rows'] === is['rows']) continue;
    if (was['rows'] !== is['rows'])
      lines.push(`${label} had ${shown(was['rows'])} rows, has ${shown(is['rows'])}`);
    const here = young.filter(({ sha256 }) => !old.some((other) => other.sha256 === sha256));
    const names = new Set(here.map(({ file }) => file));
    const gone = old.filter(
      ({ file, sha256 }) => !names.has(file) && !young.some((other) => other.sha256 === sha256),
    );
    for (const file of names)
      tell(
        label,
        `${file} ${old.some((other) => other.file === file) ? 'has changed since' : 'was not read before'}`,
      );
    for (const { file } of gone) tell(label, `${file} is not read any more`);
    if (was['rows'] === is['rows'] && here.length + gone.length === 0)
      lines.push(`${label}: its files have other names or another order`);
  }
  const all = [...lines, ...[...setsOf].map(([line, labels]) => `${labels.join(', ')}: ${line}`)];
  return all.length === 0 ? [] : [{ name: 'data', lines: all }];
}

const shownLines = 6;

/** Lines of the spec's files that stand on one side only, or more often there. */
function specDifferences(before: unknown, now: unknown): readonly Difference[] {
  const [was, is] = withoutRenamed(textsOf(before), textsOf(now));
  const [[gone = null, ...otherGone], [come = null, ...otherCome]] = [
    [...was.keys()].filter((path) => !is.has(path)),
    [...is.keys()].filter((path) => !was.has(path)),
  ];
  // One that is another text under another name.
  const isOne = gone !== null && come !== null && otherGone.length + otherCome.length === 0;
  const lines = [...new Set([...was.keys(), ...is.keys()])].flatMap((path): readonly string[] => {
    if (isOne && path === come) return [];
    const [old, young] = [was.get(path), is.get(isOne && path === gone ? come : path)];
    if (old === young) return [];
    if (old === undefined || young === undefined)
      return [`${path} ${old === undefined ? 'is new' : 'is not part of it any more'}`];
    return changedLines(isOne && path === gone ? come : path, old.split('\n'), young.split('\n'));
  });
  return lines.length === 0 ? [] : [{ name: 'spec', lines }];
}

/** Whether the spec of a run has the tokens that these are the digest of. False where the run does not say: its text is compared then. */
const meansTheSame = (before: Facts, tokensSha256: unknown): boolean =>
  typeof tokensSha256 === 'string' && before['spec_tokens_sha256'] === tokensSha256;

/** Whether the spec of a run has another text now that means the same. */
export function isReworded(there: unknown, { files, sha256, tokensSha256 }: AnyTrainer['spec']): boolean {
  const before = record('lock', there);
  const now = { spec: files, spec_sha256: sha256 };
  return meansTheSame(before, tokensSha256) && textDifferences(before, now).length > 0;
}

const otherSpecs = (before: Facts, here: Lock): readonly Difference[] =>
  meansTheSame(before, here['spec_tokens_sha256']) ? [] : textDifferences(before, here);

/** Whether the spec of a run means the same as now, as far as is known. */
export const isSameSpec = (before: Facts, here: Lock): boolean => otherSpecs(before, here).length === 0;

const hasTexts = (before: Facts, now: Facts): boolean =>
  textsOf(before['spec']).size > 0 && textsOf(now['spec']).size > 0;

/** How the text of the spec differs; by its digest where one side has no text. */
const textDifferences = (before: Facts, now: Facts): readonly Difference[] =>
  hasTexts(before, now)
    ? specDifferences(before['spec'], now['spec'])
    : digestDifferences(before['spec_sha256'], now['spec_sha256']);

/** Where one of two trainers does not have the text of its spec. */
const digestDifferences = (before: unknown, now: unknown): readonly Difference[] =>
  typeof before === 'string' && typeof now === 'string' && before !== now
    ? [{ name: 'spec', lines: ['the spec is another one, of which one side has no text'] }]
    : [];

function changedLines(path: string, old: readonly string[], young: readonly string[]): readonly string[] {
  const changed = [
    ...beyond(old, young).map((line) => `${path}: - ${line.trim()}`),
    ...beyond(young, old).map((line) => `${path}: + ${line.trim()}`),
  ];
  if (changed.length === 0) return [`${path}: its lines are in another order`];
  const rest = changed.length - shownLines;
  return [
    ...changed.slice(0, shownLines),
    ...(rest > 0 ? [`${path}: and ${counted(rest, 'line')} more`] : []),
  ];
}

/** Lines of `own` that `other` has not, or has less often: the last ones of those. */
function beyond(own: readonly string[], other: readonly string[]): readonly string[] {
  const left = new Map<string, number>();
  for (const line of other) left.set(line, (left.get(line) ?? 0) + 1);
  return own.filter((line) => {
    const count = left.get(line) ?? 0;
    left.set(line, count - 1);
    return count <= 0;
  });
}

/** Files of one text under two names are the same: what imports them would have another text. */
function withoutRenamed(
  was: ReadonlyMap<string, string>,
  is: ReadonlyMap<string, string>,
): readonly [ReadonlyMap<string, string>, ReadonlyMap<string, string>] {
  const only = (own: ReadonlyMap<string, string>, other: ReadonlyMap<string, string>) =>
    [...own].filter(([path]) => !other.has(path));
  const [gone, come] = [only(was, is), only(is, was)];
  const [left, rest] = [new Map(was), new Map(is)];
  for (const [path, text] of gone) {
    const at = come.findIndex(([, other]) => other === text);
    const [renamed] = at < 0 ? [] : come.splice(at, 1);
    if (renamed === undefined) continue;
    left.delete(path);
    rest.delete(renamed[0]);
  }
  return [left, rest];
}

/** Code of externs is a part of the spec. Checkpoints of before it was kept say nothing of it. */
function externDifferences(before: unknown, now: unknown): readonly Difference[] {
  const lines = changedExterns(before, now);
  return lines.length === 0 ? [] : [{ name: 'spec', lines }];
}

/** What has changed in code of externs, a sentence each. */
export function changedExterns(before: unknown, now: unknown): readonly string[] {
  if (!Array.isArray(before)) return [];
  const digests = (files: unknown): ReadonlyMap<string, string> =>
    new Map(
      (Array.isArray(files) ? files : []).map((each: unknown) => {
        const { path, sha256 } = record('a file of an extern', each);
        return [String(path), String(sha256)];
      }),
    );
  const [was, is] = withoutRenamed(digests(before), digests(now));
  return [...new Set([...was.keys(), ...is.keys()])].flatMap((path): string[] => {
    const [old, young] = [was.get(path), is.get(path)];
    if (old === young) return [];
    if (old === undefined) return [`${path}, code of an extern, is new`];
    return [
      `${path}, code of an extern, ${young === undefined ? 'is not part of it any more' : 'has changed'}`,
    ];
  });
}

/** `mixed` is another precision on another device. */
function numberDifferences(before: unknown, now: unknown): readonly Difference[] {
  if (typeof before !== 'string' || before === now) return [];
  return [{ name: 'precision', lines: [`it computed in ${before}, this device computes in ${shown(now)}`] }];
}

function textsOf(files: unknown): ReadonlyMap<string, string> {
  if (!Array.isArray(files)) return new Map();
  return new Map(
    files.map((each: unknown) => {
      const { path, text } = record('a file of the spec', each);
      return [String(path), String(text)];
    }),
  );
}
