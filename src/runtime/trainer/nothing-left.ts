/** A run that has ended by itself: going on with it has nothing to do, and says so. */
import { existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import { nameOfAddOn, type AddOn } from '../addons/addon.js';
import { checkpointPaths } from '../checkpoint/list.js';
import { sayWords } from '../progress/reporter.js';
import { lastStep, type EndReason } from './ending.js';
import type { FitResult } from './fit.js';
import { loopStateOf } from './loop-state.js';
import { jsonRecordOf } from './run-lock.js';
import { DamagedSummary, summaryIn } from '../run/sweep-folder.js';
import { endedBy, type ResumePoint } from './resume.js';
import { reporterOf, type AnyTrainer, type RunOptions } from './run.js';
import { shortPath } from './short-path.js';
import type { Prepared } from './prepared.js';
import { nameAndText } from '../../values/overrides.js';
import { counted } from '../../values/counted.js';

/** How a run had ended when someone went on with it. */
export interface Over {
  readonly run: string;
  readonly result: FitResult;
  /** The add-on option that would have let it go on, as `name.option=value`; null where nobody says so. */
  readonly liftedBy: string | null;
}

/**
 * How the run has ended, where the point is its last and nothing is allowed to change that; null where there is something to do: above
 * all a run that was killed before it said that it had ended says so now, and one whose `summary.json` does not say so, which `say` is
 * told, writes it again.
 */
export async function nothingLeft(
  { session, addOns }: Prepared,
  { run, checkpoint, state }: ResumePoint,
  changes: readonly string[],
  say: (line: string) => void,
): Promise<Over | null> {
  const reason = await endedBy(run);
  if (reason === null) return null;
  const [newest] = await checkpointPaths(join(run, 'checkpoints'));
  if (newest === undefined || basename(newest) !== basename(checkpoint.folder)) return null;
  const loop = loopStateOf(state);
  const { maxTime } = session.options;
  const isOver =
    loop.step >= lastStep(session, null) ||
    (reason === 'stopped' && changes.length === 0) ||
    (reason === 'out-of-time' && maxTime !== null && loop.seconds >= maxTime);
  if (!isOver) return null;
  const lacking = await lackingSummary(run);
  if (lacking !== null) {
    say(`${lacking}; it is written again`);
    return null;
  }
  const { step, seconds, because, rows, newest: metrics } = loop;
  const at = { step, epoch: checkpoint.epoch, seconds };
  const result = { reason, because, signal: null, at, rows, metrics };
  return { run, result, liftedBy: reason === 'out-of-time' ? null : liftedBy(addOns, state['addOns']) };
}

/** Why a run that has ended does not say what it came to; null where it does. */
async function lackingSummary(run: string): Promise<string | null> {
  try {
    if ((await summaryIn(run)) !== null) return null;
    const file = join(run, 'summary.json');
    return existsSync(file)
      ? `${shortPath(file)} does not say how the run ended`
      : `${shortPath(file)} is gone`;
  } catch (error) {
    // What else stands there is left alone.
    return error instanceof DamagedSummary ? error.message : null;
  }
}

function liftedBy(addOns: readonly AddOn[], states: unknown): string | null {
  const kept = jsonRecordOf(states);
  for (const addOn of addOns) {
    const state = kept[addOn.kind];
    const option = state === undefined ? null : (addOn.liftedBy?.(state) ?? null);
    if (option !== null) return `${nameOfAddOn(addOn)}.${option}`;
  }
  return null;
}

/** Says that nothing is left to do, and how to train longer. */
export function tellOver(
  trainer: AnyTrainer,
  { run, result, liftedBy: lifting }: Over,
  options: RunOptions,
): void {
  const reporter = reporterOf(trainer, options, null);
  const { at, reason, because } = result;
  const how: Readonly<Record<EndReason, string>> = {
    finished: `has finished its ${counted(at.step, 'step')}`,
    stopped: `was stopped after step ${at.step}${because === null ? '' : ` (${because})`}`,
    'out-of-time': `came to its max_time after step ${at.step}`,
    interrupted: `was interrupted after step ${at.step}`,
  };
  sayWords(reporter, `nothing is left to do: ${shortPath(run)} ${how[reason]}`);
  const command = options.goOn?.(shortPath(run)) ?? 'go on';
  reporter.line(`to train longer: ${command} ${longer(trainer, result, lifting)}`);
  reporter.end();
}

/** What makes a run that ended so longer. */
function longer({ options }: AnyTrainer, { reason, at }: FitResult, lifting: string | null): string {
  const { epochs, steps, maxTime } = options;
  if (reason === 'stopped' && lifting !== null) return `${lifting} --allow ${ownerOption(lifting)}`;
  if (reason === 'stopped') return '--allow …, with what stopped it changed';
  if (reason === 'out-of-time' && maxTime !== null)
    return `trainer.max_time=${2 * maxTime}.seconds --allow max_time`;
  // What would have stopped it at its last step stops a longer one there.
  const [also, alsoAllowed] =
    reason === 'finished' && lifting !== null ? [` ${lifting}`, `,${ownerOption(lifting)}`] : ['', ''];
  // A run that is to be shorter now has done more than it is to do.
  if (steps !== null)
    return `trainer.steps=${2 * Math.max(steps, at.step)}${also} --allow steps${alsoAllowed}`;
  return `trainer.epochs=${2 * Math.max(epochs ?? 1, at.epoch)}${also} --allow epochs${alsoAllowed}`;
}

/** Of `owner.option=value`, what `--allow` takes. */
const ownerOption = (text: string): string => nameAndText(text)[0];
