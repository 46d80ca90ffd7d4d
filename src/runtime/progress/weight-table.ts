/** The table of weights: what a model holds, how much of that is trained, and when. */
import type { TrainedTimes } from '../trainer/freezing.js';
import type { Session } from '../trainer/session.js';
import { wrapWords } from '../../values/words.js';
import { showBytes, showCount, table } from './format.js';
import { counted } from '../../values/counted.js';

/** Whether a weight changes: at no time, in every step, or in a part of the run. */
interface Share {
  readonly when: 'never' | 'always' | 'partly';
  /** What the table says of it; nothing where it is trained in every step. */
  readonly note: string;
}

/**
 * The table of weights, a line each and a total. What is more than `depth` names below its model is added up, a line for each part.
 * Weights that are frozen for all of the run are not trained; of those that are frozen for a time it says in which steps.
 */
export function weightTable(session: Session, columns: number, depth = Infinity): readonly string[] {
  const groups = new Map<string, { shape: string; count: number; notes: Map<string, number> }>();
  const sums = { never: 0, always: 0, partly: 0 };
  for (const { path, weight } of session.weights) {
    const name = path
      .split('.')
      .slice(0, depth + 1)
      .join('.');
    const count = weight.shape.reduce((product, n) => product * n, 1);
    const { when, note } = shareOf(session.trainedTimes(weight), session.pace.totalSteps);
    sums[when] += count;
    const { notes, ...before } = groups.get(name) ?? { count: 0, notes: new Map<string, number>() };
    notes.set(note, (notes.get(note) ?? 0) + count);
    const shape = name === path ? `[${weight.shape.join(', ')}]` : '';
    groups.set(name, { shape, count: before.count + count, notes });
  }
  const rows = [...groups].map(([name, { shape, count, notes }]) => [
    name,
    shape,
    showCount(count),
    showBytes(4 * count),
    notesText(notes),
  ]);
  const total = sums.never + sums.always + sums.partly;
  const part = sums.partly === 0 ? '' : ` (${showCount(sums.partly)} for a part of the run)`;
  return [
    ...table([['weights', 'shape', 'count', 'bytes'], ...rows], columns),
    ...wrapWords(
      `${counted(total, 'value')} (${showBytes(4 * total)}), ${showCount(total - sums.never)} trained${part}`,
      columns,
    ),
  ];
}

/** `total`: steps of the run; null where its end is not known. */
function shareOf(times: TrainedTimes | null, total: number | null): Share {
  if (times === null) return { when: 'never', note: 'kept' };
  const end = total ?? Number.POSITIVE_INFINITY;
  const { from, until } = times;
  if (from >= end) return { when: 'never', note: 'frozen' };
  const at = [...(from > 0 ? [`to step ${from}`] : []), ...(until < end ? [`from step ${until + 1}`] : [])];
  return at.length === 0
    ? { when: 'always', note: '' }
    : { when: 'partly', note: `frozen ${at.join(' and ')}` };
}

/** What is said of all weights of a line, or of how many of them. */
function notesText(notes: ReadonlyMap<string, number>): string {
  const [only] = notes.keys();
  if (notes.size === 1) return only ?? '';
  return [...notes]
    .flatMap(([note, count]) => (note === '' ? [] : [`${showCount(count)} ${note}`]))
    .join(', ');
}
