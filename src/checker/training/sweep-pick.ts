/**
 * ZT5027: what a sweep picks by is read where a run's best checkpoint was measured (the weights that `test --from` takes): it must be
 * measured there too.
 */
import { pickElsewhere } from '../../parser/messages.gen.js';
import { counted } from '../../values/counted.js';
import { monitorName } from '../../values/monitor-name.js';
import type { IrExpr } from '../ir.js';
import { optionOf, type TrainingInput } from './input.js';
import { measurementsOf } from './measurements.js';
import type { Run } from './run.js';

type Monitor = Extract<IrExpr, { kind: 'monitor' }>;

const monitorOf = ({ trainer }: TrainingInput, addon: string, option: string): Monitor | null => {
  const found = trainer.addons.find(({ name, module }) => name === addon && module === null);
  const value = found ? optionOf(found.options, option) : undefined;
  return value?.kind === 'monitor' ? value : null;
};

export const checkPick = (input: TrainingInput, run: Run): void => {
  const [pick, best] = [monitorOf(input, 'sweep', 'pick'), monitorOf(input, 'checkpoint', 'best')];
  if (pick === null || best === null) return;
  const [there, needed] = [pick, best].map(({ metric }) => measurementsOf(input.trainer, metric, run));
  if (!there || !needed) return;
  const measured = new Set(there);
  const lacking = needed.filter((done) => !measured.has(done));
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
