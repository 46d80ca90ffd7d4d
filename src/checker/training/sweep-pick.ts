/**
 * ZT4305: what a sweep picks by is read where a run's best checkpoint was measured (the weights that `test --from` takes): it must be
 * measured there too.
 */
import { pickElsewhere } from '../../parser/messages.gen.js';
import { counted } from '../../values/counted.js';
import { monitorName } from '../../values/monitor-name.js';
import type { IrExpr, IrStep } from '../ir.js';
import { optionOf, type TrainingInput } from './input.js';
import type { Run } from './run.js';
import { passesOf } from './timetable.js';

type Monitor = Extract<IrExpr, { kind: 'monitor' }>;

const monitorOf = ({ trainer }: TrainingInput, addon: string, option: string): Monitor | null => {
  const found = trainer.addons.find(({ name, module }) => name === addon && module === null);
  const value = found ? optionOf(found.options, option) : undefined;
  return value?.kind === 'monitor' ? value : null;
};

/** Steps done when a metric of a step is measured over a whole pass, in order; null where that is not known. */
const measuredAfter = (step: IrStep, run: Run): readonly number[] | null => {
  const { pace } = run;
  if (step.stage === 'validate') return passesOf(step, run);
  const total = pace?.totalSteps ?? null;
  if (step.stage !== 'train' || pace === null || total === null) return null;
  const epochs = Math.ceil(total / pace.stepsPerEpoch);
  return Array.from({ length: epochs }, (_, index) => Math.min(total, (index + 1) * pace.stepsPerEpoch));
};

/** Those that are not among the others; both are in order. */
const lackingIn = (needed: readonly number[], there: readonly number[]): readonly number[] => {
  let at = 0;
  return needed.filter((done) => {
    while (at < there.length && (there[at] ?? done) < done) at += 1;
    return there[at] !== done;
  });
};

export const checkPick = (input: TrainingInput, run: Run): void => {
  const [pick, best] = [monitorOf(input, 'sweep', 'pick'), monitorOf(input, 'checkpoint', 'best')];
  if (pick === null || best === null) return;
  const stepOf = ({ metric }: Monitor): IrStep | undefined =>
    input.trainer.steps.find(({ name }) => metric.startsWith(`${name}.`));
  const [picking, judging] = [stepOf(pick), stepOf(best)];
  if (!picking || judging?.stage !== 'validate' || picking === judging) return;
  const [there, needed] = [measuredAfter(picking, run), measuredAfter(judging, run)];
  if (there === null || needed === null) return;
  const lacking = lackingIn(needed, there);
  const [first] = lacking;
  if (first === undefined) return;
  input.report(
    pickElsewhere(
      pick.span,
      { pick: pick.metric, best: best.metric, step: first },
      {
        related: [{ span: best.span, label: 'its best checkpoint is what a run is judged by' }],
        notes: [
          `\`${best.metric}\` is measured after ${counted(needed.length, 'step')} of the run, \`${pick.metric}\` not after ${lacking.length} of them`,
        ],
        help: `pick by \`${monitorName(best)}\`, measure both in one step, or give both steps one \`every\``,
      },
    ),
  );
};
