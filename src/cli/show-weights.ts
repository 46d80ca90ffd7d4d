/** `show --weights`: what a model holds, with sizes for the params at hand. */
import type { Checked } from '../checker/check.js';
import { evaluateIr } from '../checker/evaluate.js';
import { evaluate, showSize, type Size } from '../checker/dims/size.js';
import type { Weight } from '../checker/env.js';
import type { IrTrainer } from '../checker/ir.js';
import { grouped } from '../values/counted.js';
import { isAmong } from '../checker/training/groups.js';
import type { Settings } from './settings.js';
import type { SpecFile } from './specs.js';
import { showBytes, table } from './tables.js';

interface Counted {
  readonly cells: readonly string[];
  readonly values: number;
  readonly bytes: number;
  readonly trained: number;
}

const bytesOf: Readonly<Record<Weight['dtype'], number>> = { f32: 4, i32: 4, u8: 1, bool: 1 };

export const weightLines = (
  _spec: SpecFile,
  checked: Checked,
  _trainer: IrTrainer,
  { names, trainer }: Settings,
): readonly string[] => {
  const numbers = new Map<string, number>();
  for (const [name, value] of names.params) if (typeof value === 'number') numbers.set(name, value);
  const isTrained = (model: string, { path, trainable }: Weight): boolean =>
    trainable &&
    trainer.optimizers.some(
      ({ of, owns }) =>
        of.some((each) => each.model === model) && (owns === null || isAmong(owns, path) !== 'no'),
    );
  const rowOf = (model: string, weight: Weight): Counted => {
    const own = new Map(numbers);
    // A model's own parameters, as this one was made.
    for (const { name, value } of trainer.models.find((each) => each.name === model)?.options ?? []) {
      const known = evaluateIr(value, names);
      if (typeof known === 'number') own.set(name, known);
    }
    const sizeOf = (size: Size): number => evaluate(size, own);
    const sizes = weight.shape.map(sizeOf);
    const times = weight.count === null ? 1 : sizeOf(weight.count);
    const values = sizes.reduce((product, size) => product * size, times);
    const bytes = values * bytesOf[weight.dtype];
    const shape = weight.shape.map((size, at) => {
      const found = sizes[at] ?? Number.NaN;
      return Number.isFinite(found) ? String(found) : showSize(size);
    });
    const trained = isTrained(model, weight);
    const symbolic = weight.shape.map(showSize);
    const isSymbolic = symbolic.some((text, at) => text !== shape[at]);
    return {
      cells: [
        model,
        weight.path,
        `${weight.dtype}[${shape.join(', ')}]${weight.count === null ? '' : ` × ${Number.isFinite(times) ? times : showSize(weight.count)}`}`,
        grouped(values),
        showBytes(bytes),
        [trained ? '' : 'not trained', isSymbolic ? `[${symbolic.join(', ')}]` : '']
          .filter((text) => text !== '')
          .join('  '),
      ],
      values,
      bytes,
      trained: trained ? values : 0,
    };
  };
  const used = new Set(trainer.models.map(({ name }) => name));
  const rows = [...checked.weights]
    .filter(([model]) => used.has(model))
    .flatMap(([model, weights]) => weights.map((weight) => rowOf(model, weight)));
  const total = (of: (row: Counted) => number): number => rows.reduce((sum, row) => sum + of(row), 0);
  return [
    ...table([['model', 'path', 'shape', 'count', 'bytes', ''], ...rows.map(({ cells }) => cells)], [3, 4]),
    `${grouped(total((row) => row.values))} values in ${showBytes(total((row) => row.bytes))}, ${grouped(total((row) => row.trained))} trained`,
  ];
};
