/**
 * How an epoch's rows lie in its batches and steps. A run that goes on within an epoch has trained on what lies before its step: where the
 * rest lies otherwise now, some rows would come twice in that epoch, and others not at all.
 */
import { basename, join } from 'node:path';
import { record } from '../../values/json-record.js';
import { nameAndText } from '../../values/overrides.js';
import type { Json } from '../addons/addon.js';
import { checkpointPaths, stepOf } from '../checkpoint/list.js';
import type { ResumeHead } from './resume.js';
import type { Lock } from './run-lock.js';
import type { Session } from './session.js';
import { shortPath } from './short-path.js';

/** For the lock: batches of an epoch, and how each data set that is trained on lies in them. Null where data has no epochs. */
export function epochOrderOf(session: Session): Json {
  const [train] = session.of('train');
  if (train === undefined || session.isEndless) return null;
  const { stage, data, batches } = train;
  const sets = data.flatMap(({ label, rows, live }, at) => {
    const options = stage.plan.data[at]?.options;
    return options === undefined || live !== undefined
      ? []
      : [
          {
            data: label,
            rows,
            batch: options.batch,
            shuffle: options.shuffle,
            ...(options.parts === null ? {} : { parts: true }),
          },
        ];
  });
  return { batches, sets };
}

/** What the spec of the run has said of `owner.option`; undefined where that is not known. */
type InSpec = (name: string, now: unknown) => unknown;

/**
 * What forbids to go on, whatever is allowed, where a checkpoint lies within an epoch whose rows lie otherwise now. Null where they do not, as
 * far as the checkpoint says it, and at an epoch's end.
 */
export async function otherOrder(
  { run, checkpoint, state }: ResumeHead,
  here: Lock,
  inSpec: InSpec,
): Promise<string | null> {
  const steps = here['steps_per_epoch'];
  if (typeof steps !== 'number' || checkpoint.step % steps === 0) return null;
  const now = orderIn(here);
  const before = record('lock', state['lock']);
  const was = (before['epoch_order'] ?? null) === null ? orderBefore(before, now, inSpec) : orderIn(before);
  const changed = [...new Set([...was.keys(), ...now.keys()])].flatMap((name) => {
    const [old, young] = [was.get(name), now.get(name)];
    if (old === young) return [];
    // A batch that another spec has said may be any.
    if (old === unknown && !name.endsWith('.batch')) return [];
    if (isBeyond(name, old, was) && isBeyond(name, young, now)) return [];
    return [`${name} ${old === undefined ? 'is new' : `was ${old}, is ${young ?? 'gone'}`}`];
  });
  if (changed.length === 0) return null;
  const paths = await checkpointPaths(join(run, 'checkpoints'));
  const end = paths.find((path) => {
    const step = stepOf(basename(path));
    return step < checkpoint.step && step % steps === 0;
  });
  const from = end === undefined ? ', of which this run has none' : `, such as ${shortPath(end)}`;
  return `step ${checkpoint.step} lies within an epoch, whose rows lie otherwise in its steps now (${changed.join('; ')}): some would come twice in it, or not at all; keep that as it was, or go on from a checkpoint at an epoch's end${from}`;
}

/** Whether it is a number of rows in the order of the source of which an epoch reads the first ones, all its batches full: others follow. */
function isBeyond(name: string, rows: unknown, order: Order): boolean {
  const [, set] = /^rows of (.*)$/.exec(name) ?? [];
  if (set === undefined || order.get(`${set}.shuffle`) === true || order.has(`${set}.parts`)) return false;
  return Number(rows) >= Number(order.get('batches of an epoch')) * Number(order.get(`${set}.batch`));
}

type Order = ReadonlyMap<string, number | boolean | typeof unknown>;

/** In the place of what a checkpoint of before it was kept does not say. */
const unknown = 'not known';

function orderIn(lock: Readonly<Record<string, unknown>>): Order {
  const { accumulate, seed } = record('options', lock['options']);
  const { batches, sets } = record('epoch_order', lock['epoch_order']);
  const order = new Map<string, number | boolean>([
    ['accumulate', Number(accumulate)],
    ['batches of an epoch', Number(batches)],
  ]);
  for (const each of Array.isArray(sets) ? sets : []) {
    const { data, rows, batch, shuffle, parts } = record('a data set', each);
    order.set(`${String(data)}.batch`, Number(batch));
    order.set(`${String(data)}.shuffle`, shuffle === true);
    // Which rows are in a part depends on how many there are in all.
    if (parts === true) order.set(`${String(data)}.parts`, true);
    order.set(`rows of ${String(data)}`, Number(rows));
    if (shuffle === true) order.set('seed', Number(seed));
  }
  return order;
}

/** The same as far as a checkpoint says it that was written before it was kept: of batches what the command line had said. */
function orderBefore(lock: Readonly<Record<string, unknown>>, now: Order, inSpec: InSpec): Order {
  const options = record('options', lock['options']);
  const data = record('data', lock['data']);
  const said = new Map(
    (Array.isArray(lock['overrides']) ? lock['overrides'] : []).map(String).map(nameAndText),
  );
  const valueOf = (name: string): unknown => {
    if (name === 'accumulate' || name === 'seed') return options[name];
    const [, set] = /^rows of (.*)$/.exec(name) ?? [];
    if (set !== undefined) return data[set] === undefined ? undefined : record(set, data[set])['rows'];
    if (!name.endsWith('.batch')) return undefined;
    const text = said.get(name);
    return text === undefined ? inSpec(name, now.get(name)) : Number(text.replaceAll('_', ''));
  };
  return new Map(
    [...now.keys()].map((name) => {
      const value = valueOf(name);
      return [name, typeof value === 'number' ? value : unknown];
    }),
  );
}
