/** Whether two runs came to the same: the state of their last checkpoints, byte for byte, and every line of metrics but for times. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Misuse } from './streams.js';

/** Names of what a clock says. */
const timed: ReadonlySet<string> = new Set(['seconds', 'wall', 'steps_per_second', 'rows_per_second']);

/** Of `state.json`: how the run was started, and what it wrote besides, may differ. */
const apart: ReadonlySet<string> = new Set(['lock', 'files', 'compile', 'saved']);

const withoutTimes = (text: string): string =>
  JSON.stringify(
    JSON.parse(text, (key, value: unknown) => (timed.has(key) || apart.has(key) ? undefined : value)),
  );

const linesOf = (run: string): readonly string[] => {
  const text = readFileSync(join(run, 'metrics.jsonl'), 'utf8').trimEnd();
  const lines = text === '' ? [] : text.split('\n');
  // What a process holds in memory is another number each time.
  return lines.filter((line) => !line.startsWith('{"stage":"device_stats"')).map(withoutTimes);
};

const lastOf = (run: string): string => {
  const pointer = join(run, 'checkpoints', 'last');
  if (!existsSync(pointer)) throw new Error(`${run} has no checkpoint to compare`);
  const name = readFileSync(pointer, 'utf8').trim();
  if (name.endsWith('.ckpt'))
    throw new Misuse(
      'checkpoints of one file say the time as well; compare with checkpoint { format = "folder" }',
    );
  return name;
};

/** What differs, a line each; none where they are the same. */
export const differencesOf = (one: string, other: string): readonly string[] => {
  const [last, otherLast] = [lastOf(one), lastOf(other)];
  if (last !== otherLast) return [`the last checkpoint is ${last} in ${one} and ${otherLast} in ${other}`];
  const file = (run: string, name: string): Buffer => readFileSync(join(run, 'checkpoints', last, name));
  const tensors = ['model.safetensors', 'optimizer.safetensors'].flatMap((name) => {
    const [mine, theirs] = [file(one, name), file(other, name)];
    if (mine.equals(theirs)) return [];
    const at = mine.findIndex((byte, index) => byte !== theirs[index]);
    return [`${name} of ${last} differs from byte ${at < 0 ? mine.length : at} on`];
  });
  const states = [one, other].map((run) => withoutTimes(file(run, 'state.json').toString('utf8')));
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
        : [`metrics.jsonl has ${mine.length} lines in one and ${theirs.length} in the other`];
  return [...tensors, ...state, ...lines];
};
