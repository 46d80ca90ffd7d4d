/** ZT5004: validation reads other rows than training. */
import { validatesOnTrainingData, validationOverlaps } from '../../parser/messages.gen.js';
import { evaluateIr, type HostNames } from '../evaluate.js';
import type { IrData, IrExpr } from '../ir.js';
import { optionOf, type TrainingInput } from './input.js';
import { builtinDefault } from './run.js';

/** An expression without its place, so that two that say the same are equal. */
const textOf = (expr: IrExpr, names: HostNames): string => {
  const value = evaluateIr(expr, names);
  if (value !== undefined) return JSON.stringify(value);
  return JSON.stringify(expr, (key, each: unknown) => (key === 'span' ? undefined : each));
};

const argumentsOf = (input: TrainingInput, data: IrData, names: HostNames): ReadonlyMap<string, string> => {
  const all = new Map<string, string>();
  for (const param of input.prelude.find('data', data.source.name)?.params ?? []) {
    const fallback = builtinDefault(input, 'data', data.source.name, param.name.text);
    if (fallback !== undefined && data.source.kind === 'prelude')
      all.set(param.name.text, JSON.stringify(fallback));
  }
  for (const { name, value } of data.arguments) all.set(name, textOf(value, names));
  return all;
};

type Overlap = 'same' | 'part' | 'none';

const overlapOf = (input: TrainingInput, names: HostNames, a: IrData, b: IrData): Overlap => {
  if (a.name === b.name) return 'same';
  if (
    a.source.kind !== b.source.kind ||
    a.source.name !== b.source.name ||
    a.source.module !== b.source.module
  )
    return 'none';
  const [left, right] = [argumentsOf(input, a, names), argumentsOf(input, b, names)];
  const differs = [...new Set([...left.keys(), ...right.keys()])].filter(
    (key) => left.get(key) !== right.get(key),
  );
  if (differs.length === 0) {
    const part = (data: IrData): string => {
      const given = optionOf(data.options, 'part');
      return given ? textOf(given, names) : '';
    };
    return part(a) === part(b) ? 'same' : 'none';
  }
  const all = JSON.stringify('all');
  const splits = [left.get('split'), right.get('split')];
  return differs.length === 1 && differs[0] === 'split' && splits.includes(all) && !splits.includes(undefined)
    ? 'part'
    : 'none';
};

export const checkValidationData = (input: TrainingInput, names: HostNames): void => {
  const { trainer, report } = input;
  const dataOf = (name: string): IrData | undefined => trainer.data.find((each) => each.name === name);
  const trained = trainer.steps.filter((step) => step.stage === 'train').flatMap((step) => step.inputs);
  for (const step of trainer.steps) {
    if (step.stage !== 'validate' && step.stage !== 'test') continue;
    for (const own of step.inputs) {
      const data = dataOf(own.data);
      for (const other of trained) {
        const base = dataOf(other.data);
        const overlap = data && base ? overlapOf(input, names, data, base) : 'none';
        if (!data || !base || overlap === 'none') continue;
        const details = {
          related: [{ span: other.span, label: 'trained on here' }],
          ...(data.name === base.name
            ? {}
            : {
                notes: [
                  overlap === 'same'
                    ? `\`${data.name}\` and \`${base.name}\` have the same source with the same arguments`
                    : `\`split = "all"\` holds the rows of every split`,
                ],
              }),
          help:
            data.source.name === 'digits' || data.source.name === 'fashion_mnist'
              ? 'read `split = "test"` here'
              : 'read rows here that the train step does not read',
        };
        report(
          overlap === 'same'
            ? validatesOnTrainingData(own.span, { step: `step ${step.name}` }, details)
            : validationOverlaps(own.span, { step: `step ${step.name}` }, details),
        );
        break;
      }
    }
  }
};
