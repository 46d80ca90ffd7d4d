/** ZT5020: workers that have nothing to do. */
import { idleOption } from '../../parser/messages.gen.js';
import { evaluateIr } from '../evaluate.js';
import { hasHostWork } from '../host-work.js';
import type { IrExpr } from '../ir.js';
import { optionOf, type TrainingInput } from './input.js';
import type { Run } from './run.js';

/** A set that others amend is told of only where all that have its option are idle. */
export const checkWorkers = ({ trainer, report }: TrainingInput, { names }: Run): void => {
  const asked = trainer.data.flatMap((data) => {
    const value = optionOf(data.options, 'workers');
    return value && evaluateIr(value, names) !== 0 ? [{ data, value }] : [];
  });
  const isSame = (a: IrExpr, b: IrExpr): boolean =>
    a.span.file === b.span.file && a.span.start === b.span.start;
  for (const [at, { data, value }] of asked.entries()) {
    const sharing = asked.filter((each) => isSame(each.value, value));
    if (asked.findIndex((each) => isSame(each.value, value)) !== at) continue;
    if (sharing.some((each) => hasHostWork(each.data))) continue;
    report(
      idleOption(
        value.span,
        {
          option: 'workers',
          reason: `rows of \`${data.source.name}\` are in memory, and nothing of this data's \`map\` runs on the host`,
        },
        {
          help: 'leave it out: workers decode pictures, read rows of an extern source, and run functions of images in `map`',
        },
      ),
    );
  }
};
