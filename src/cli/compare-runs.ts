/** Whether two runs came to the same: the state of their last checkpoints, byte for byte, and every line of metrics but for times. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { openCheckpoint, readStateText, readTensors, type Checkpoint } from '../runtime/checkpoint/read.js';
import { counted } from '../values/counted.js';

/** Fields of a line of metrics that a clock says; what the run measured is named as its spec names it. */
const timed: ReadonlySet<string> = new Set(['wall', 'steps_per_second', 'rows_per_second']);

/** Of `state.json`: what a clock says, how the run was started, and what it wrote besides, by place. */
const apart: readonly RegExp[] = [
  /^(?:seconds|lock|files|compile)$/,
  /^best\.\d+\.seconds$/,
  // Which checkpoints there are: the other run saves more of them.
  /^addOns\.checkpoint(?:#\d+)?\.saved$/,
];

/** The same without what stands at some places, which are keys with dots between them; objects as lists of their fields, in order. */
const without = (value: unknown, isLeftOut: (place: string) => boolean, at = ''): unknown => {
  const below = (key: string | number): string => (at === '' ? String(key) : `${at}.${key}`);
  if (Array.isArray(value))
    return value.map((each: unknown, index) => without(each, isLeftOut, below(index)));
  if (typeof value === 'object' && value !== null)
    return Object.entries(value).flatMap(([key, each]: [string, unknown]) =>
      isLeftOut(below(key)) ? [] : [[key, without(each, isLeftOut, below(key))]],
    );
  // Which is another number than 0, and the same when it is written.
  return Object.is(value, -0) ? '-0' : value;
};

/** Of the loop: how far a step has got. */
const progressInStep: ReadonlySet<string> = new Set(['loop.left', 'loop.round', 'loop.updated']);

/**
 * Whether a step is done but for hooks of its end that save: a checkpoint that falls due there is saved by the last hook of the step, that
 * of the run's end once all hooks were called.
 */
const isDone = (state: unknown): boolean => {
  if (typeof state !== 'object' || state === null || !('loop' in state)) return false;
  const { loop } = state;
  if (typeof loop !== 'object' || loop === null || !('left' in loop)) return false;
  return loop.left === null || loop.left === 'settled';
};

/** The state of a run without what may differ in one that does the same. */
export const comparable = (state: string): string => {
  const read: unknown = JSON.parse(state);
  const left = isDone(read) ? progressInStep : new Set<string>();
  return JSON.stringify(without(read, (place) => left.has(place) || apart.some((each) => each.test(place))));
};

const linesOf = (run: string): readonly string[] => {
  const text = readFileSync(join(run, 'metrics.jsonl'), 'utf8').trimEnd();
  const lines = text === '' ? [] : text.split('\n');
  // What a process holds in memory is another number each time.
  return lines.filter((line) => !line.startsWith('{"stage":"device_stats"')).map(withoutTimes);
};

const withoutTimes = (line: string): string => {
  const fields: unknown = JSON.parse(line);
  return JSON.stringify(
    Object.fromEntries(Object.entries(fields ?? {}).filter(([name]) => !timed.has(name))),
  );
};

const lastOf = (run: string): string => {
  const pointer = join(run, 'checkpoints', 'last');
  if (!existsSync(pointer)) throw new Error(`${run} has no checkpoint to compare`);
  return readFileSync(pointer, 'utf8').trim();
};

const parts = ['model.safetensors', 'optimizer.safetensors'] as const;

/** Where two texts of bytes part; null where they are the same. */
const partingOf = (one: Uint8Array, other: Uint8Array): number | null => {
  const least = Math.min(one.length, other.length);
  for (let at = 0; at < least; at += 1) if (one[at] !== other[at]) return at;
  return one.length === other.length ? null : least;
};

/** A checkpoint of one file has the time in its head: its tensors are compared one by one. */
const tensorsThatDiffer = async (
  last: string,
  one: Checkpoint,
  other: Checkpoint,
): Promise<readonly string[]> => {
  const all: string[] = [];
  for (const part of parts) {
    const [mine, theirs] = [await readTensors(one, part), await readTensors(other, part)];
    for (const name of new Set([...mine.keys(), ...theirs.keys()])) {
      const [a, b] = [mine.get(name)?.values, theirs.get(name)?.values];
      const bytes = (values: typeof a): Uint8Array =>
        values === undefined
          ? new Uint8Array()
          : new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
      const at = a === undefined || b === undefined ? 0 : partingOf(bytes(a), bytes(b));
      if (at !== null) all.push(`tensor ${name} of ${last} differs from byte ${at} on`);
    }
  }
  return all;
};

const filesThatDiffer = (last: string, one: Checkpoint, other: Checkpoint): readonly string[] =>
  parts.flatMap((part) => {
    const [mine, theirs] = [one, other].map(({ folder }) => readFileSync(join(folder, part)));
    const at = mine === undefined || theirs === undefined ? 0 : partingOf(mine, theirs);
    return at === null ? [] : [`${part} of ${last} differs from byte ${at} on`];
  });

/** What differs, a line each; none where they are the same. */
export const differencesOf = async (one: string, other: string): Promise<readonly string[]> => {
  const [last, otherLast] = [lastOf(one), lastOf(other)];
  if (last !== otherLast) return [`the last checkpoint is ${last} in ${one} and ${otherLast} in ${other}`];
  const open = (run: string): Promise<Checkpoint> => openCheckpoint(join(run, 'checkpoints', last));
  const [first, second] = [await open(one), await open(other)];
  const tensors = first.inOneFile
    ? await tensorsThatDiffer(last, first, second)
    : filesThatDiffer(last, first, second);
  const states = [await readStateText(first), await readStateText(second)].map(comparable);
  const state = states[0] === states[1] ? [] : [`state.json of ${last} differs`];
  const [mine, theirs] = [linesOf(one), linesOf(other)];
  const at = mine.findIndex((line, index) => line !== theirs[index]);
  const lines =
    at >= 0
      ? [
          `line ${at + 1} of metrics.jsonl is ${mine[at] ?? ''} in one and ${theirs[at] ?? 'missing'} in the other`,
        ]
      : mine.length === theirs.length
        ? []
        : [`metrics.jsonl has ${counted(mine.length, 'line')} in one and ${theirs.length} in the other`];
  return [...tensors, ...state, ...lines];
};
