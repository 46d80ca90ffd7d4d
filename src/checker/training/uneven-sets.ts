/** ZT4223 and ZT5023: data sets that a step reads together have as many batches each. */
import { shortEpoch, unevenSets } from '../../parser/messages.gen.js';
import { batchesIn, partOf, showPart } from '../../values/limits.js';
import { evaluateIr } from '../evaluate.js';
import type { IrData, IrStep } from '../ir.js';
import { counted } from '../../values/counted.js';
import { optionOf, type TrainingInput } from './input.js';
import { dataBatches, type Run } from './run.js';

interface Length {
  readonly data: IrData;
  readonly rows: number;
  readonly size: number;
  /** Batches that the run takes of it by itself. */
  readonly count: number;
}

/** The sets of a step that have an end; null where the length of one is not known. */
const lengthsOf = (input: TrainingInput, run: Run, step: IrStep): readonly Length[] | null => {
  const { part } = partOf(step.stage, run.taken);
  const names = [...new Set(step.inputs.map(({ data }) => data))];
  const sets = names.flatMap((name) => input.trainer.data.find((each) => each.name === name) ?? []);
  const known = sets
    .filter(({ source }) => source.live !== true)
    .map((data) => {
      const found = dataBatches(input, data, run.names);
      return found && { ...found, count: batchesIn(part, found.count) };
    });
  const all = known.filter((each) => each !== null);
  return all.length < known.length ? null : all;
};

const isShuffled = (data: IrData, { names, taken }: Run): boolean => {
  const given = optionOf(data.options, 'shuffle');
  return taken.overfit === null && given !== null && evaluateIr(given, names) === true;
};

/** What an epoch of a longer set leaves out. */
const leftOut = ({ data, rows, size, count }: Length, least: number, run: Run): string => {
  const left = counted(Math.min(rows, count * size) - least * size, 'row');
  return isShuffled(data, run)
    ? `an epoch leaves ${left} of \`${data.name}\` out, others each time: it is shuffled`
    : `the last ${left} of \`${data.name}\` are never trained on: it is not shuffled`;
};

export const checkUnevenSets = (input: TrainingInput, run: Run): void => {
  for (const step of input.trainer.steps) {
    // What is measured before training is read set by set, each to its own end.
    if (step.stage === 'measure') continue;
    const known = lengthsOf(input, run, step);
    const [first, ...others] = known ?? [];
    // A set without a batch, and a limit that leaves none, are told of as such.
    if (!known || !first || known.some(({ count }) => count < 1)) continue;
    if (others.every(({ count }) => count === first.count)) continue;
    const least = Math.min(...known.map(({ count }) => count));
    const shown = known.map(({ data, count }) => `${counted(count, 'batch', 'batches')} of \`${data.name}\``);
    const lengths = `${shown.slice(0, -1).join(', ')} and ${shown.at(-1) ?? ''}`;
    const { option, part } = partOf(step.stage, run.taken);
    const limited = part === null ? [] : [`${showPart(option, part)}, of each set by itself`];
    const rows = known.map(
      ({ data, rows: all, size }) => `\`${data.name}\` has ${counted(all, 'row')} in batches of ${size}`,
    );
    const span = step.inputs.find(({ data }) => data !== first.data.name)?.span ?? step.span;
    const longer = known.filter(({ count }) => count > least);
    if (step.stage === 'train')
      input.report(
        shortEpoch(
          span,
          { step: `step ${step.name}`, lengths },
          {
            notes: [...longer.map((each) => leftOut(each, least, run)), ...rows, ...limited],
            help: longer.some(({ data }) => !isShuffled(data, run))
              ? 'shuffle the longer set, or give the sets as many batches each'
              : 'give the sets as many batches each, by `batch`, or leave it so with `# allow ZT5023`',
          },
        ),
      );
    else
      input.report(
        unevenSets(
          span,
          { step: `step ${step.name}`, lengths },
          {
            notes: [...rows, ...limited],
            help: `write a step for each data set, or take as many batches of each: \`${option === 'overfit' ? `overfit = ${least}.batches` : `limit = { ${step.stage}: ${least}.batches }`}\``,
          },
        ),
      );
  }
};
