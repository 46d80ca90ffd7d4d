/** ZT5020: what comes every so often, or waits for so many measurements, in a run that is too short for it. */
import { idleOption } from '../../parser/messages.gen.js';
import { showQuantity } from '../../values/units.js';
import { evaluateIr } from '../evaluate.js';
import type { IrExpr, IrNamed } from '../ir.js';
import { counted, optionOf, type TrainingInput } from './input.js';
import { measurementsOf } from './measurements.js';
import { lengthNotes, type Run } from './run.js';
import { lengthOf } from './lengths.js';
import { scaleOf, type Scale } from './schedules.js';

/** Add-ons of the library that come every so often. */
const recurring: ReadonlySet<string> = new Set(['checkpoint', 'lr_log', 'image_grid']);

const reportIdle = (input: TrainingInput, run: Run, at: IrExpr, option: string, reason: string): void =>
  input.report(
    idleOption(
      at.span,
      { option, reason },
      { notes: lengthNotes(run), help: 'lower it, lengthen the run, or leave it out' },
    ),
  );

/** An interval that is longer than the run. */
const checkInterval = (
  input: TrainingInput,
  run: Run,
  scale: Scale,
  given: IrExpr | null,
  name: string,
): void => {
  const every = given && lengthOf(given, run);
  const length = every ? scale.lengthOf(every) : null;
  if (!given || !every || length === null || length <= scale.total) return;
  const whole = counted(scale.total, scale.one);
  reportIdle(input, run, given, `${name} = ${showQuantity(every)}`, `the run has ${whole}`);
};

const numberIn = (options: readonly IrNamed[], name: string, run: Run): number | null => {
  const given = optionOf(options, name);
  const value = given ? evaluateIr(given, run.names) : undefined;
  return typeof value === 'number' ? value : null;
};

/** A patience that all measurements of the run together do not use up. */
const checkPatience = (input: TrainingInput, run: Run): void => {
  const { trainer } = input;
  for (const { name, module, options } of trainer.addons) {
    const [given, monitor] = [optionOf(options, 'patience'), optionOf(options, 'monitor')];
    const patience = numberIn(options, 'patience', run);
    if (module !== null || name !== 'early_stopping' || !given || patience === null) continue;
    const at = monitor?.kind === 'monitor' ? measurementsOf(trainer, monitor.metric, run) : null;
    if (at === null || monitor?.kind !== 'monitor' || at.length > patience) continue;
    const times = counted(at.length, 'time');
    reportIdle(
      input,
      run,
      given,
      `patience = ${patience}`,
      `\`${monitor.metric}\` is measured ${times}, the first of which is the best so far`,
    );
  }
};

/** The same of a plateau: what is measured before its phase has a step, or at its end, does not count. */
const checkPlateaus = (input: TrainingInput, run: Run, scale: Scale): void => {
  for (const { name, phases } of input.trainer.schedules) {
    let exact = 0;
    for (const { kind, options, extern } of phases) {
      const start = Math.round(exact);
      const over = optionOf(options, 'over');
      const duration = over && lengthOf(over, run);
      const length = over?.kind === 'rest' ? scale.total - start : duration && scale.lengthOf(duration);
      if (length === null) return;
      exact += length;
      const [given, monitor] = [optionOf(options, 'patience'), optionOf(options, 'monitor')];
      const patience = numberIn(options, 'patience', run);
      if (kind !== 'plateau' || extern || !given || patience === null || monitor?.kind !== 'monitor')
        continue;
      const end = Math.round(exact);
      const at = measurementsOf(input.trainer, monitor.metric, run)?.filter(
        (step) => step > start && step < end,
      );
      // The first sets the mark; more than `patience` have to miss it.
      if (at === undefined || at.length >= patience + 2) continue;
      const times = counted(at.length, 'time');
      reportIdle(
        input,
        run,
        given,
        `patience = ${patience}`,
        `\`${monitor.metric}\` is measured ${times} within this phase of \`${name}\`, and ${patience + 2} are needed for a change`,
      );
    }
  }
};

export const checkIdle = (input: TrainingInput, run: Run): void => {
  const { trainer } = input;
  const scale = (run.epochs === null) !== (run.steps === null) ? scaleOf(run) : null;
  if (scale === null) return;
  checkInterval(input, run, scale, optionOf(trainer.options, 'log_every'), 'log_every');
  for (const { name, module, options } of trainer.addons)
    if (module === null && recurring.has(name))
      checkInterval(input, run, scale, optionOf(options, 'every'), `every`);
  const reload = optionOf(trainer.options, 'reload_data');
  const every = numberIn(trainer.options, 'reload_data', run);
  const { pace } = run;
  const epochs =
    pace === null || pace.totalSteps === null ? run.epochs : pace.totalSteps / pace.stepsPerEpoch;
  if (reload && every !== null && typeof epochs === 'number' && every >= epochs)
    reportIdle(
      input,
      run,
      reload,
      `reload_data = ${counted(every, 'epoch')}`,
      `the run has ${counted(epochs, 'epoch')}, and its data is open at the start`,
    );
  checkPatience(input, run);
  if (scale.whole) checkPlateaus(input, run, scale);
};
