/** ZT4110: each pattern of a group matches a weight of the optimizer's models. */
import { unmatchedPattern } from '../../parser/messages.gen.js';
import { nearest } from '../../parser/nearest.js';
import type { IrMatching, IrOptimizer, IrPattern } from '../ir.js';
import { counted } from '../../values/counted.js';
import { listed, trainableWeights, type TrainingInput } from './input.js';

/** Whether a part of a pattern matches a name; a name `*` stands for any number, as `repeat` gives them. */
const matchesName = (part: string, name: string): boolean => {
  if (name === '*') return /^[\d*]+$/.test(part);
  const [head = '', ...tails] = part.split('*');
  const end = tails.pop();
  if (end === undefined) return part === name;
  if (!name.startsWith(head)) return false;
  // Each piece at the first place where it fits leaves most room for those after it.
  let from = head.length;
  for (const piece of tails) {
    const at = name.indexOf(piece, from);
    if (at < 0) return false;
    from = at + piece.length;
  }
  return name.length - end.length >= from && name.endsWith(end);
};

const matchesNames = (pattern: readonly string[], names: readonly string[]): boolean => {
  const [first, ...others] = pattern;
  if (first === undefined) return names.length === 0;
  if (first === '**') {
    for (let skipped = 0; skipped <= names.length; skipped += 1) {
      if (matchesNames(others, names.slice(skipped))) return true;
    }
    return false;
  }
  const [name, ...rest] = names;
  return name !== undefined && matchesName(first, name) && matchesNames(others, rest);
};

/** Whether a path below a model matches, by the rule that the run itself follows. */
export const matchesPattern = (pattern: string, path: string): boolean =>
  matchesNames(
    pattern.split('.').filter((part, index, parts) => part !== '**' || parts[index - 1] !== '**'),
    path.split('.'),
  );

/** Patterns that differ little from one that matches nothing, and match. */
const proposals = (
  pattern: string,
  paths: readonly string[],
  models: readonly string[],
): readonly string[] => {
  const parts = pattern.split('.');
  const names = [...new Set(paths.flatMap((path) => path.split('.')))];
  const [head = '', ...rest] = parts;
  const corrected = parts.map((part) =>
    part.includes('*') || names.includes(part) ? part : (nearest(part, names)[0] ?? part),
  );
  const candidates = [
    ...(models.includes(head) && rest.length > 0 ? [rest.join('.')] : []),
    corrected.join('.'),
    `${pattern}.**`,
    `**.${pattern}`,
    `**.${pattern}.**`,
    `**.${corrected.join('.')}`,
    ...nearest(pattern, paths),
  ];
  return [...new Set(candidates)].filter(
    (each) => each !== pattern && paths.some((path) => matchesPattern(each, path)),
  );
};

/** Whether a weight is among those of a `match` and `except`; `perhaps` where the number of a `repeat` that a param sets decides. */
export const isAmong = ({ match, except }: IrMatching, path: string): 'yes' | 'no' | 'perhaps' => {
  const any = (patterns: readonly IrPattern[], of: string): boolean =>
    patterns.some(({ pattern }) => matchesPattern(pattern, of));
  // `*` in a path is any number to a pattern that names one, and no number is this one.
  const sure = path.replaceAll('*', '4294967295');
  const matched = any(match, path);
  const excepted = any(except, sure);
  if (!matched || excepted) return 'no';
  return any(match, sure) && !any(except, path) ? 'yes' : 'perhaps';
};

/** Paths of an optimizer's own weights, as far as they can be told. */
export const ownedPaths = (
  input: Pick<TrainingInput, 'weights'>,
  optimizer: IrOptimizer,
): readonly string[] =>
  optimizer.of.flatMap(({ model }) =>
    trainableWeights(input, model)
      .map((weight) => weight.path)
      .filter((path) => optimizer.owns === null || isAmong(optimizer.owns, path) !== 'no'),
  );

/** Each pattern matches one of the paths. `models` are whose weights these are. */
export const checkMatching = (
  input: TrainingInput,
  patterns: readonly IrPattern[],
  paths: readonly string[],
  models: readonly string[],
): void => {
  for (const { span, pattern } of patterns) {
    if (paths.some((path) => matchesPattern(pattern, path))) continue;
    const [best] = proposals(pattern, paths, models);
    const some = paths.slice(0, 5).map((path) => `\`${path}\``);
    const more = paths.length > some.length ? `, and ${counted(paths.length - some.length, 'other')}` : '';
    const text = best === undefined ? null : JSON.stringify(best);
    input.report(
      unmatchedPattern(
        span,
        { pattern, models: listed(models) },
        {
          notes: [`its weights are ${some.join(', ')}${more}`],
          ...(text === null
            ? {}
            : { help: `write \`${text}\``, fix: { title: `write \`${text}\``, edits: [{ span, text }] } }),
        },
      ),
    );
  }
};

const checkGroups = (input: TrainingInput, optimizer: IrOptimizer): void => {
  const models = optimizer.of.map((each) => each.model);
  const all = models.flatMap((model) => trainableWeights(input, model).map((weight) => weight.path));
  if (all.length === 0) return;
  const { owns, groups } = optimizer;
  if (owns) checkMatching(input, [...owns.match, ...owns.except], all, models);
  const own = ownedPaths(input, optimizer);
  // That it owns nothing is told where its patterns are.
  if (own.length === 0) return;
  for (const { match, except } of groups) checkMatching(input, [...match, ...except], own, models);
};

export const checkPatterns = (input: TrainingInput): void => {
  for (const optimizer of input.trainer.optimizers) checkGroups(input, optimizer);
};
