/** ZT5020 of groups of an optimizer: those that are left no weight, and options that later groups replace for every weight. */
import { idleOption } from '../../parser/messages.gen.js';
import { isWithin } from '../../parser/source.js';
import { counted } from '../../values/counted.js';
import type { IrGroup, IrNamed, IrOptimizer } from '../ir.js';
import { isAmong, matchesPattern, ownedPaths } from './groups.js';
import type { TrainingInput } from './input.js';

/** How many weights these are; null where the number of a `repeat` decides. */
const countOf = (paths: readonly string[]): string | null =>
  paths.some((path) => path.includes('*')) ? null : counted(paths.length, 'weight');

const takenBy = (group: IrGroup, paths: readonly string[]): readonly string[] =>
  paths.filter((path) => isAmong(group, path) !== 'no');

const sets = (group: IrGroup, option: string): boolean => group.options.some(({ name }) => name === option);

/** An option of a group that takes effect for no weight, and the groups after it that replace it. */
interface Replaced {
  readonly group: IrGroup;
  readonly option: IrNamed;
  readonly paths: readonly string[];
  readonly by: readonly IrGroup[];
}

/** Options of groups that later groups set for each of the weights which they take. */
export const replacedOptions = (input: TrainingInput, optimizer: IrOptimizer): readonly Replaced[] => {
  const { groups } = optimizer;
  const all = ownedPaths(input, optimizer);
  return groups.flatMap((group, index) => {
    const paths = takenBy(group, all);
    if (paths.length === 0) return [];
    return group.options.flatMap((option): Replaced[] => {
      const later = groups.slice(index + 1).filter((each) => sets(each, option.name));
      const winners = paths.map((path) => later.findLast((each) => isAmong(each, path) === 'yes'));
      const by = winners.filter((each) => each !== undefined);
      return by.length < paths.length ? [] : [{ group, option, paths, by: [...new Set(by)] }];
    });
  });
};

/** Whether `except` of a group leaves nothing of what its `match` takes. */
export const isLeftNone = (input: TrainingInput, optimizer: IrOptimizer, group: IrGroup): boolean =>
  takenBy(group, ownedPaths(input, optimizer)).length === 0;

/** A group of whose patterns `except` leaves nothing. What matches no weight at all is an error of its own. */
const checkLeftNone = ({ report }: TrainingInput, group: IrGroup, all: readonly string[]): void => {
  const [first] = group.except;
  const matched = all.filter((path) => group.match.some(({ pattern }) => matchesPattern(pattern, path)));
  if (!first || matched.length === 0 || takenBy(group, all).length > 0) return;
  const count = countOf(matched);
  report(
    idleOption(
      first.span,
      {
        option: `group ${group.name}`,
        reason: `\`except\` leaves out all that \`match\` takes${count === null ? '' : `, ${count}`}`,
      },
      {
        related: group.match.slice(0, 1).map(({ span }) => ({ span, label: 'taken here' })),
        help: 'leave out less, or leave the group out',
      },
    ),
  );
};

export const checkIdleGroups = (input: TrainingInput): void => {
  for (const optimizer of input.trainer.optimizers) {
    const all = ownedPaths(input, optimizer);
    for (const group of optimizer.groups)
      if (isWithin(group.span, optimizer.span)) checkLeftNone(input, group, all);
    for (const { group, option, paths, by } of replacedOptions(input, optimizer)) {
      // What an optimizer has from the one that it amends may be right for that.
      if (!isWithin(option.value.span, optimizer.span)) continue;
      const names = by.map(({ name }) => `\`${name}\``).join(' and ');
      const count = countOf(paths);
      // First, a wider one leaves this group what it sets; one that takes the same does not.
      const isWider = by.length === 1 && by.every((each) => takenBy(each, all).length > paths.length);
      input.report(
        idleOption(
          option.value.span,
          {
            option: `${option.name} of group ${group.name}`,
            reason: `${names}, further down, ${by.length === 1 ? 'sets' : 'set'} it for all that this group takes${count === null ? '' : `, ${count}`}`,
          },
          {
            related: by.flatMap((each) =>
              each.options
                .filter(({ name }) => name === option.name)
                .map(({ value: { span } }) => ({ span, label: 'the later one holds' })),
            ),
            help: isWider ? `leave it out, or put the wider group, ${names}, first` : 'leave it out',
          },
        ),
      );
    }
  }
};
