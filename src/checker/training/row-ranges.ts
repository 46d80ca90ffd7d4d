/** ZT4224: the rows that `rows_of` takes are in every batch, the last one of a pass included. */
import { rowsBeyond } from '../../parser/messages.gen.js';
import { counted } from '../../values/counted.js';
import { evaluateIr, type HostNames } from '../evaluate.js';
import type { IrExpr, IrStep, IrStepStmt, IrType } from '../ir.js';
import { optionOf, type TrainingInput } from './input.js';
import { dataBatches, stepBatches, type Run } from './run.js';
import { partsOf, visitExpressions } from './walk.js';

type Op = IrExpr & { readonly kind: 'op' };

/** A call of `rows_of`, and what the turns around it may be. */
interface Call {
  readonly op: Op;
  readonly turns: readonly Turn[];
}

interface Turn {
  readonly name: string;
  readonly values: readonly number[];
}

/** Turns that are looked at, of one loop: in longer ones the first and the last. */
const most = 64;

const turnOf = (statement: IrStepStmt & { readonly kind: 'for' }, names: HostNames): Turn | null => {
  const [from, to] = [evaluateIr(statement.from, names), evaluateIr(statement.to, names)];
  if (typeof from !== 'number' || typeof to !== 'number' || to <= from) return null;
  const values =
    to - from > most ? [from, to - 1] : Array.from({ length: to - from }, (_, index) => from + index);
  return { name: statement.name, values };
};

/** Calls that every batch comes to: what a condition stands around may leave the last one out. */
const callsIn = (
  statements: readonly IrStepStmt[],
  names: HostNames,
  turns: readonly Turn[] = [],
): readonly Call[] =>
  statements.flatMap((statement): readonly Call[] => {
    switch (statement.kind) {
      case 'if': {
        const holds = evaluateIr(statement.test, names);
        if (typeof holds !== 'boolean') return [];
        return callsIn(holds ? statement.then : statement.else, names, turns);
      }
      case 'every':
      case 'branch':
        return [];
      case 'update':
        return callsIn(statement.body, names, turns);
      case 'for': {
        const turn = turnOf(statement, names);
        return turn ? callsIn(statement.body, names, [...turns, turn]) : [];
      }
      default: {
        const found: Call[] = [];
        const conditional = new Set<IrExpr>();
        visitExpressions([statement], (expr) => {
          if (expr.kind === 'choose' || conditional.has(expr)) {
            partsOf(expr).forEach((part) => conditional.add(part));
            return;
          }
          if (expr.kind === 'op' && expr.home === 'ops' && expr.name === 'rows_of')
            found.push({ op: expr, turns });
        });
        return found;
      }
    }
  });

/** The batch whose rows a value has, all of them; null where it has others. */
const batchOf = (type: IrType): string | null => {
  if (type.kind === 'record') return type.fields[0] ? batchOf(type.fields[0].type) : null;
  if (type.kind === 'missing') return batchOf(type.of);
  if (type.kind !== 'tensor') return null;
  return /^(\w+)\.size$/.exec(type.shape[0] ?? '')?.[1] ?? null;
};

/** A host number where turns and the sizes of batches are these. */
const numberAt = (
  expr: IrExpr | null,
  names: HostNames,
  turns: ReadonlyMap<string, number>,
  rows: number,
): number | null => {
  const at = (each: IrExpr): IrExpr => {
    const literal = (value: number): IrExpr => ({ kind: 'literal', value, span: each.span, type: each.type });
    if (each.kind === 'batchSize') return literal(rows);
    if (each.kind === 'ref' && each.ref.kind === 'index') {
      const value = turns.get(each.ref.name);
      return value === undefined ? each : literal(value);
    }
    return each.kind === 'host' || each.kind === 'hostCall' ? { ...each, args: each.args.map(at) } : each;
  };
  const value = expr && evaluateIr(at(expr), names);
  return typeof value === 'number' ? value : null;
};

/** All ways in which loops may stand; none where there are too many to look at. */
const combined = (turns: readonly Turn[]): readonly ReadonlyMap<string, number>[] =>
  turns.reduce<readonly ReadonlyMap<string, number>[]>(
    (all, { name, values }) =>
      all.length * values.length > most * most
        ? []
        : all.flatMap((one) => values.map((value) => new Map([...one, [name, value]]))),
    [new Map()],
  );

/** The last row of those that a call takes of a batch of so many rows, counted from 1, where the batch does not have it. */
const beyond = ({ op, turns }: Call, names: HostNames, rows: number): readonly [number, number] | null => {
  for (const at of combined(turns)) {
    const from = numberAt(optionOf(op.options, 'from'), names, at, rows);
    const count = numberAt(optionOf(op.options, 'count'), names, at, rows);
    if (from !== null && count !== null && from + count > rows) return [from, count];
  }
  return null;
};

interface Batches {
  readonly rows: number;
  /** What they are called in a message. */
  readonly what: string;
  readonly notes: readonly string[];
  readonly help: string;
}

/** The sizes that batches of a step's data have in the run, as far as they are known. */
const batchesOf = (input: TrainingInput, run: Run, step: IrStep, name: string): readonly Batches[] => {
  const data = input.trainer.data.find((each) => each.name === name);
  const own = data && data.source.live !== true ? dataBatches(input, data, run.names) : null;
  const taken = stepBatches(input, step, run.names, run.taken);
  if (!own || !taken || taken.count < 1) return [];
  const { size, rows, count } = own;
  const full = { rows: size, what: `a batch of \`${name}\``, notes: [], help: 'take rows that a batch has' };
  const left = rows - (count - 1) * size;
  const trained =
    step.stage === 'train' ? (run.pace?.totalSteps ?? Infinity) * (run.accumulate ?? 1) : Infinity;
  // Neither the run's limits nor its length need come to the last one.
  if (left >= size || Math.min(taken.count, trained) < count) return [full];
  return [
    ...(count > 1 ? [full] : []),
    {
      rows: left,
      what: `the last batch of \`${name}\``,
      notes: [
        `\`${name}\` has ${counted(rows, 'row')}: ${counted(count, 'batch', 'batches')} of ${size} in a pass`,
      ],
      help: 'write `drop_last = true` in the data set, or a `batch` that divides its rows',
    },
  ];
};

export const checkRowRanges = (input: TrainingInput, run: Run): void => {
  for (const step of input.trainer.steps) {
    for (const call of callsIn(step.body, run.names)) {
      const of = call.op.args[0];
      const name = of && batchOf(of.type);
      const data = step.inputs.find((each) => each.name === name)?.data;
      if (data === undefined) continue;
      for (const { rows, what, notes, help } of batchesOf(input, run, step, data)) {
        const taken = beyond(call, run.names, rows);
        if (!taken) continue;
        const [from, count] = taken;
        input.report(
          rowsBeyond(call.op.span, { count: counted(count, 'row'), from, what, rows }, { notes, help }),
        );
        break;
      }
    }
  }
};
