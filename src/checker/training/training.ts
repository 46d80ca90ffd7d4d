/**
 * The run as a whole, after every part of it was checked by itself. After this: each weight that is trained has one
 * optimizer and a way for the gradient, schedules fit into the run, and add-ons find what they watch.
 */
import { checkAddonEffects, checkCheckpoints, checkMonitors } from './addons.js';
import { checkAttributeValues } from './attribute-values.js';
import { checkMeasuredData, checkRandomData, checkValidationData } from './evaluation-data.js';
import { checkChangedReads } from './changed-weights.js';
import { checkCopies } from './copies.js';
import { checkDataFiles } from './data-files.js';
import { checkDroppedRows } from './dropped-rows.js';
import { checkAllFrozen, checkFreezes } from './freezing.js';
import { checkReach } from './gradients.js';
import { checkPatterns } from './groups.js';
import { checkIdle } from './idle.js';
import { checkIdleGroups } from './idle-groups.js';
import type { TrainingInput } from './input.js';
import { checkRunLength, checkWindow } from './length.js';
import { checkGuards, checkLeast, checkLimits, checkSanity } from './limits.js';
import { checkLive } from './live.js';
import { checkActivations, checkHeads } from './losses.js';
import { checkMetricNames } from './metric-names.js';
import { checkMicroBatches } from './micro-batches.js';
import { checkOwnership } from './ownership.js';
import { checkPretrained } from './pretrained.js';
import { checkRowRanges } from './row-ranges.js';
import { checkRateLimits } from './rate-limits.js';
import { runOf } from './run.js';
import { checkPhases, checkSchedules } from './schedules.js';
import { checkSweep } from './sweep.js';
import { checkPick } from './sweep-pick.js';
import { checkRuns } from './sweep-runs.js';
import { checkNeverRuns } from './timetable.js';
import { checkTraces } from './traces.js';
import { checkUnevenSets } from './uneven-sets.js';
import { checkWeightNames } from './weight-names.js';
import { checkWorkers } from './workers.js';
import { checkRates } from './zero-rates.js';

export type { TrainingInput } from './input.js';

export const checkTraining = (input: TrainingInput): void => {
  const { names } = runOf(input);
  const { strayed } = checkReach(input);
  checkOwnership(input, strayed);
  checkPatterns(input);
  checkIdleGroups(input);
  checkPretrained(input);
  checkMetricNames(input);
  checkTraces(input);
  checkAddonEffects(input);
  checkCheckpoints(input);
  checkWeightNames(input);
  checkActivations(input, names);
  checkRandomData(input);
  const axes = checkSweep(input);
  checkRuns(input, axes, checkRun);
};

/** What depends on a run's numbers; each run of a sweep has its own. */
const checkRun = (input: TrainingInput): void => {
  const run = runOf(input);
  checkMonitors(input, run);
  checkPick(input, run);
  checkRunLength(input, run);
  checkWindow(input, run);
  checkLive(input, run);
  checkAttributeValues(input, run);
  checkPhases(input, run);
  checkLimits(input, run);
  checkLeast(input, run);
  checkGuards(input, run);
  checkSanity(input, run);
  checkWorkers(input, run);
  checkFreezes(input, run);
  checkAllFrozen(input);
  checkCopies(input, run);
  // With two lengths there is no telling which one a schedule is held against.
  if (run.epochs === null || run.steps === null) checkSchedules(input, run);
  checkRates(input, run);
  checkRateLimits(input, run);
  checkHeads(input, run.names);
  checkValidationData(input, run.names);
  checkMeasuredData(input, run.names);
  checkDroppedRows(input, run);
  checkUnevenSets(input, run);
  checkRowRanges(input, run);
  checkDataFiles(input, run);
  checkMicroBatches(input, run);
  checkChangedReads(input, run);
  checkNeverRuns(input, run);
  checkIdle(input, run);
};
