/**
 * Verdicts on sizes at a place. Inside a class that is checked with free sizes, what a nested use can only refute by
 * an example is left open: the sizes are decided where the class itself is used.
 */
import { compareOrder, compareSizes, divide, type Division, type Judgement } from './dims/facts.js';
import type { Size } from './dims/size.js';
import type { Span } from '../parser/source.js';
import type { Diagnostic } from '../parser/diagnostic.js';
import type { Checker, Env } from './env.js';
import { preludeFile } from './prelude.js';
import type { Value } from './value.js';

const settled = (env: Env, judged: Judgement): Judgement =>
  env.sure || judged.verdict !== 'refuted'
    ? judged
    : { verdict: 'unproven', witness: judged.witness, fix: null, how: judged.how };

export const judgeSizes = (env: Env, left: Size, right: Size): Judgement =>
  settled(env, compareSizes(left, right, env.facts));

/** left <= right */
export const judgeOrder = (env: Env, left: Size, right: Size): Judgement =>
  settled(env, compareOrder(left, right, env.facts));

export const judgeDivision = (env: Env, a: Size, b: Size): Division => {
  const division = divide(a, b, env.facts);
  const constants = division.witness?.values.length === 0;
  return env.sure || division.whole !== 'refuted' || constants
    ? division
    : { size: division.size, whole: 'unproven', witness: division.witness, fix: null };
};

/** Reports what one declaration was found to have, a fraction that is not whole once: one condition mends all its uses. */
export const reportFractionsOnce = (checker: Checker, diagnostics: readonly Diagnostic[]): void => {
  const first = (each: Diagnostic): Diagnostic | undefined =>
    diagnostics.find((other) => other.code === each.code && other.message === each.message);
  for (const each of diagnostics) if (each.code !== 'ZT3104' || first(each) === each) checker.report(each);
};

/**
 * What `check` finds of arguments. Where they would fit with the first two inputs the other way round, the help says so.
 */
export const orSwapped = <T>(
  env: Env,
  inputs: readonly string[],
  bound: ReadonlyMap<string, Value>,
  check: (bound: ReadonlyMap<string, Value>) => T,
): T => {
  const { result, diagnostics } = env.checker.capture(() => check(bound));
  const [first = '', second = ''] = inputs;
  const [a, b] = [bound.get(first), bound.get(second)];
  const wrong = diagnostics.some(({ severity }) => severity === 'error');
  const other = new Map(bound);
  if (a && b) other.set(first, b).set(second, a);
  const swapped = wrong && a && b ? env.checker.capture(() => check(other)).diagnostics : null;
  const help = swapped?.length === 0 ? { help: `\`${first}\` comes first, then \`${second}\`` } : {};
  for (const each of diagnostics) env.checker.report({ ...each, ...help });
  return result;
};

/** What is wrong with a size that the prelude computes is wrong at the call: nobody can see the prelude's text. */
export const judgeAtCall = <T>(env: Env, span: Span, body: () => T): T => {
  const { result, diagnostics } = env.checker.capture(body);
  for (const each of diagnostics) {
    const related = (each.related ?? []).filter((one) => one.span.file !== preludeFile);
    env.checker.report(each.span.file === preludeFile ? { ...each, span, related } : each);
  }
  return result;
};
