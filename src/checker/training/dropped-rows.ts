/** ZT5022: a set that is measured leaves out rows because the one that it amends does. */
import { dropsRows } from '../../parser/messages.gen.js';
import { evaluateIr } from '../evaluate.js';
import type { IrData } from '../ir.js';
import { counted } from '../../values/counted.js';
import { optionOf, type TrainingInput } from './input.js';
import { dataBatches, type Run } from './run.js';

/** Whether a data set has `drop_last = true` from one that it amends: who writes it into the set itself means it. */
const inherited = (data: IrData, { names }: Run): boolean => {
  const given = optionOf(data.options, 'drop_last');
  if (given === null || evaluateIr(given, names) !== true) return false;
  const { span } = given;
  return span.file !== data.span.file || span.start < data.span.start || data.span.end < span.end;
};

export const checkDroppedRows = (input: TrainingInput, run: Run): void => {
  const { trainer, report } = input;
  const trained = new Set(
    trainer.steps
      .filter(({ stage }) => stage === 'train')
      .flatMap((step) => step.inputs.map(({ data }) => data)),
  );
  for (const step of trainer.steps) {
    // Predictions have a row for each row, whatever the data says.
    if (step.stage !== 'validate' && step.stage !== 'test') continue;
    for (const { data: name, span } of step.inputs) {
      const data = trainer.data.find((each) => each.name === name);
      if (!data || trained.has(name) || !inherited(data, run)) continue;
      const known = dataBatches(input, data, run.names);
      const left = known === null ? null : known.rows % known.size;
      if (left === 0) continue;
      report(
        dropsRows(
          span,
          {
            step: `step ${step.name}`,
            rows: left === null ? 'the rows of a last, shorter batch' : `the last ${counted(left, 'row')}`,
            data: name,
          },
          {
            related: [
              {
                span: optionOf(data.options, 'drop_last')?.span ?? span,
                label: '`drop_last` comes from here',
              },
            ],
            ...(known === null
              ? {}
              : { notes: [`${counted(known.rows, 'row')} in batches of ${known.size}`] }),
            help: `write \`drop_last = false\` into \`data ${name}\`, or \`drop_last = true\` where it is meant`,
          },
        ),
      );
    }
  }
};
