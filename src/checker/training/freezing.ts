/** ZT4115, ZT5020 and ZT5025: what is frozen for a time thaws before the run ends, what is to be frozen later is, and something is trained. */
import { allFrozen, idleOption, neverThawed, wrongType } from '../../parser/messages.gen.js';
import { isWithin } from '../../parser/source.js';
import { showQuantity } from '../../values/units.js';
import { evaluateIr } from '../evaluate.js';
import type { IrExpr, IrOptimizer, IrTrainer } from '../ir.js';
import { counted } from '../../values/counted.js';
import { isAmong, ownedPaths } from './groups.js';
import { optionOf, type TrainingInput } from './input.js';
import { someOf } from './ownership.js';
import { lengthNotes, type Run } from './run.js';
import { lengthOf as writtenLength } from './lengths.js';
import { scaleOf } from './schedules.js';
import { visitStatements } from './walk.js';

/** Every `freeze` of optimizers and their groups. */
export const freezesOf = (trainer: IrTrainer): readonly IrExpr[] =>
  trainer.optimizers.flatMap(({ options, groups }) =>
    [options, ...groups.map((group) => group.options)].flatMap((each) => optionOf(each, 'freeze') ?? []),
  );

export const checkFreezes = (input: TrainingInput, run: Run): void => {
  const scale = (run.epochs === null) !== (run.steps === null) ? scaleOf(run) : null;
  const isTime = (given: IrExpr, what: string, least: number): boolean => {
    if (given.kind !== 'quantity') return true;
    const value = evaluateIr(given, run.names);
    const isShort = typeof value === 'number' && (value < 0 || (least > 0 && value === 0));
    if (typeof value !== 'number' || (!isShort && (given.unit !== 'steps' || Number.isInteger(value))))
      return true;
    input.report(
      wrongType(given.span, {
        what,
        found: `${value}`,
        expected: isShort
          ? least > 0
            ? 'a time above 0'
            : 'a time of at least 0'
          : 'a whole number of steps',
      }),
    );
    return false;
  };
  const lengthOf = (given: IrExpr): number | null => {
    const duration = writtenLength(given, run);
    return duration && scale && duration.unit !== 'rest' ? scale.lengthOf(duration) : null;
  };
  const shown = (given: IrExpr): string => {
    const duration = writtenLength(given, run);
    return duration ? showQuantity(duration) : '';
  };
  const checkAfter = ({ from, first }: Extract<IrExpr, { kind: 'freezeAfter' }>): void => {
    for (const [given, name] of [
      [from, 'from'],
      [first, 'first'],
    ] as const) {
      if (given?.kind !== 'rest') continue;
      const what = `\`${name}\` of \`after\``;
      const help = 'for the whole run, write `freeze = rest`';
      input.report(
        wrongType(given.span, { what, found: '`rest`', expected: 'steps, epochs or percent' }, { help }),
      );
      return;
    }
    if (!isTime(from, '`from` of `after`', 1) || (first && !isTime(first, '`first` of `after`', 0))) return;
    const start = lengthOf(from);
    if (!scale || start === null) return;
    const least = first ? lengthOf(first) : null;
    if (first && least !== null && Math.round(least) >= Math.round(start)) {
      const related = [{ span: from.span, label: `frozen again after ${shown(from)}` }];
      input.report(
        wrongType(
          first.span,
          { what: '`first` of `after`', found: shown(first), expected: `less than ${shown(from)}` },
          { related, help: 'where the weights are to be kept, write `freeze = rest`' },
        ),
      );
    } else if (start >= scale.total) {
      input.report(
        idleOption(
          from.span,
          {
            option: 'freeze',
            reason: `the run ends after ${counted(scale.total, scale.one)}, before ${shown(from)} are over`,
          },
          { notes: lengthNotes(run), help: 'freeze earlier, or leave it out' },
        ),
      );
    }
  };
  for (const freeze of freezesOf(input.trainer)) {
    if (freeze.kind === 'freezeAfter') {
      checkAfter(freeze);
      continue;
    }
    if (freeze.kind !== 'quantity' || !isTime(freeze, '`freeze`', 0)) continue;
    const length = lengthOf(freeze);
    if (!scale || length === null || length < scale.total) continue;
    input.report(
      neverThawed(
        freeze.span,
        { length: shown(freeze), run: counted(scale.total, scale.one) },
        {
          notes: lengthNotes(run),
          help: 'thaw earlier, or write `freeze = rest` where the weights are to be kept',
        },
      ),
    );
  }
};

/** What freezes each weight of an optimizer for the whole run, by path; null where one of them may be trained. */
const frozenBy = (
  input: Pick<TrainingInput, 'weights'>,
  optimizer: IrOptimizer,
): ReadonlyMap<string, IrExpr> | null => {
  const frozen = new Map<string, IrExpr>();
  const paths = ownedPaths(input, optimizer);
  for (const path of paths) {
    let by = optionOf(optimizer.options, 'freeze');
    for (const group of optimizer.groups) {
      const own = optionOf(group.options, 'freeze');
      const among = own === null ? 'no' : isAmong(group, path);
      // Where the number of a `repeat` decides, some of them may be the group's and some not.
      if (among === 'yes' || (among === 'perhaps' && own?.kind !== 'rest')) by = own;
    }
    if (by?.kind !== 'rest') return null;
    frozen.set(path, by);
  }
  return paths.length === 0 ? null : frozen;
};

/** A trainer whose optimizers say which of their models they keep. */
export const withKept = (trainer: IrTrainer, weights: TrainingInput['weights']): IrTrainer => ({
  ...trainer,
  optimizers: trainer.optimizers.map((optimizer) => {
    const kept = optimizer.of.filter((one) => frozenBy({ weights }, { ...optimizer, of: [one] }) !== null);
    return kept.length === 0 ? optimizer : { ...optimizer, kept: kept.map(({ model }) => model) };
  }),
});

/** An optimizer that is updated, and none of whose weights ever are. */
export const checkAllFrozen = (input: TrainingInput): void => {
  const updated = new Set<string>();
  for (const { stage, body } of input.trainer.steps)
    if (stage === 'train')
      visitStatements(body, (each) => {
        if (each.kind === 'update') for (const { name } of each.optimizers) updated.add(name);
      });
  for (const optimizer of input.trainer.optimizers) {
    const frozen = updated.has(optimizer.name) ? frozenBy(input, optimizer) : null;
    if (frozen === null) continue;
    const pathsOf = (freeze: IrExpr): readonly string[] =>
      [...frozen].flatMap(([path, by]) => (by === freeze ? [path] : []));
    // What it has from an optimizer that it amends stands there, and may be right for that one.
    const all = [...new Set(frozen.values())];
    const first = all.find(({ span }) => isWithin(span, optimizer.span));
    const others = all.filter((each) => each !== first);
    input.report(
      allFrozen(
        first?.span ?? optimizer.span,
        { optimizer: optimizer.name },
        {
          related: others.map((each) => ({
            span: each.span,
            label: `${first ? 'and this' : 'this'} freezes ${someOf(pathsOf(each))}`,
          })),
          notes: !first || others.length === 0 ? [] : [`it freezes ${someOf(pathsOf(first))}`],
          help: 'freeze a part of them in a `group`, or for a time, `freeze = 1.epoch`; where all are to be kept, say so with `# allow ZT5025`',
        },
      ),
    );
  }
};
