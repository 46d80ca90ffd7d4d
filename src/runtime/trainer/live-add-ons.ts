/** Add-ons at work: how they are started and closed, and what they see of their run. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import {
  nameOfAddOn,
  ordered,
  type AddOn,
  type AddOnHost,
  type Answer,
  type BegunSave,
  type Hooks,
  type MetricsLine,
  type Moment,
  type SavedCheckpoint,
} from '../addons/addon.js';
import { fileEnding } from '../checkpoint/list.js';
import { checkpointName, deleteCheckpoint } from '../checkpoint/write.js';
import { sayWords, type Reporter } from '../progress/reporter.js';
import type { Best } from '../progress/training.js';
import { RunError } from '../run/run-error.js';
import { named, type LiveAddOn } from './hook-calls.js';
import { memoryOf } from './run-record.js';
import type { Session } from './session.js';

/** What writes the checkpoints of a run. */
export interface CheckpointSaver {
  save(at: Moment): Promise<SavedCheckpoint | null>;
  begin(at: Moment): Promise<BegunSave | null>;
  saveFailed(at: Moment, error: unknown): Promise<string | null>;
  point(name: 'last' | 'best', checkpoint: SavedCheckpoint): Promise<void>;
  unpointBest(): Promise<void>;
}

/** Starts add-ons in their order, each put into `live` as it is: what was started is to be closed. */
export function startAddOns(addOns: readonly AddOn[], host: AddOnHost, live: LiveAddOn[]): void {
  for (const addOn of ordered(addOns)) {
    const { kind: stateOf, label, owns } = addOn;
    // Of those that own something there is one in a run, which is known by its kind whatever it is called.
    const hasOwnName = label !== undefined && owns.length === 0;
    live.push({ kind: nameOfAddOn(addOn), stateOf, hasOwnName, owns, hooks: startNamed(addOn, host) });
  }
}

/** Closes all of them, and then rejects with the first error. */
export async function closeAddOns(live: readonly LiveAddOn[]): Promise<void> {
  const closed: PromiseSettledResult<void>[] = [];
  for (const { kind, hooks } of live)
    closed.push(...(await Promise.allSettled([named(kind, 'close', () => hooks.close?.())])));
  for (const each of closed) if (each.status === 'rejected') throw each.reason;
}

function startNamed(addOn: AddOn, host: AddOnHost): Hooks<Answer> {
  try {
    return addOn.start(host, nameOfAddOn(addOn));
  } catch (error) {
    throw new RunError(
      `add-on ${nameOfAddOn(addOn)} did not start: ${error instanceof Error ? error.message : String(error)}`,
      { cause: error },
    );
  }
}

export function addOnHost(
  session: Session,
  saver: CheckpointSaver | null,
  reporter: Pick<Reporter, 'line'>,
  folder: string | null,
  {
    best,
    notable,
    log,
    goesOnFrom = null,
    isPastEnd = false,
  }: {
    readonly goesOnFrom?: SavedCheckpoint | null;
    readonly isPastEnd?: boolean;
    readonly best: Map<string, Best>;
    readonly notable: (step: number) => void;
    readonly log: (line: MetricsLine) => void;
  },
): AddOnHost {
  return {
    pace: session.pace,
    folder,
    root: process.cwd(),
    outputs: saver === null ? process.cwd() : folder,
    report: (line) => reporter.line(line),
    rates: (step) => session.ratesAt(step),
    log: (at, stage, metrics) =>
      log({ stage, over: 'step', at, metrics, tables: new Map(), rates: new Map(), throughput: null }),
    memory: () => memoryOf(session),
    evaluate: (name, body) => session.evaluate(name, body),
    save: async (at) => saver?.save(at) ?? null,
    beginSave: async (at) => saver?.begin(at) ?? null,
    saveFailed: async (at, error) => saver?.saveFailed(at, error) ?? null,
    goesOnFrom,
    isPastEnd,
    savedAt: (step) => (folder === null ? null : savedIn(join(folder, 'checkpoints'), step)),
    point: async (name, checkpoint) => saver?.point(name, checkpoint),
    unpointBest: async () => saver?.unpointBest(),
    forget: (checkpoint) => deleteCheckpoint(checkpoint.folder),
    notable,
    best: (metric, value, at) => best.set(metric, { metric, value, at }),
  };
}

function savedIn(parent: string, step: number): SavedCheckpoint | null {
  const name = join(parent, checkpointName(step));
  const found = [name, `${name}${fileEnding}`].find((path) => existsSync(path));
  return found === undefined ? null : { folder: found, step };
}

/** What add-ons see where nothing is trained and nothing is written. */
export function idleHost(session: Session, reporter: Reporter): AddOnHost {
  const nothing = (): undefined => undefined;
  const told = { line: (text: string): void => sayWords(reporter, text) };
  return addOnHost(session, null, told, null, { best: new Map(), notable: nothing, log: nothing });
}
