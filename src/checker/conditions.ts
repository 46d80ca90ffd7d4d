/** Conditions over what is known before the run: whether they hold, and what follows when they do. */
import type { Expr } from '../parser/ast.js';
import { assume, assumeNot, type Facts, type Witness } from './dims/facts.js';
import { add as plus, asConstant, constant, type Size } from './dims/size.js';
import type { Env } from './env.js';
import { checkExpr } from './expressions.js';
import { compareConstants } from './host-operators.js';
import { constantOf, type Value } from './value.js';
import { judgeSizes, judgeOrder, judgeDivision } from './judging.js';

export interface Decision {
  /** `open`: neither shown; it is tested when the run's numbers are known. */
  readonly verdict: 'holds' | 'fails' | 'refuted' | 'open';
  /** Numbers of symbols for which it does not hold. */
  readonly witness: Witness | null;
  readonly fix: string | null;
}

const holds: Decision = { verdict: 'holds', witness: null, fix: null };
const fails: Decision = { verdict: 'fails', witness: null, fix: null };
const open: Decision = { verdict: 'open', witness: null, fix: null };

/** The fix is looked for only when it is read. */
const refutedAs = (
  verdict: Decision['verdict'],
  judged: { readonly witness: Witness | null; readonly fix: string | null },
): Decision => ({
  verdict,
  witness: judged.witness,
  get fix() {
    return judged.fix;
  },
});

const quietly = (env: Env, expr: Expr): Value => env.checker.capture(() => checkExpr(env, expr)).result;

/** `a % b == 0`, the only use of `%` that says something about sizes. */
const divisibility = (env: Env, expr: Expr): { readonly by: Size; readonly of: Size } | null => {
  if (expr.kind !== 'binary' || expr.op !== '==' || expr.left.kind !== 'binary' || expr.left.op !== '%')
    return null;
  const right = quietly(env, expr.right);
  if (!right.size || asConstant(right.size) !== 0) return null;
  const of = quietly(env, expr.left.left).size;
  const by = quietly(env, expr.left.right).size;
  return of && by ? { by, of } : null;
};

export const decide = (env: Env, expr: Expr): Decision => {
  if (expr.kind === 'bool') return expr.value ? holds : fails;
  if (expr.kind === 'unary' && expr.op === 'not') {
    const inner = decide(env, expr.value);
    if (inner.verdict === 'holds') return fails;
    return inner.verdict === 'fails' ? holds : open;
  }
  if (expr.kind !== 'binary') {
    const known = constantOf(quietly(env, expr));
    return known === true ? holds : known === false ? fails : open;
  }
  if (expr.op === 'and') {
    const sides = [decide(env, expr.left), decide(env, expr.right)];
    return (
      sides.find((side) => side.verdict === 'fails') ??
      sides.find((side) => side.verdict === 'refuted') ??
      sides.find((side) => side.verdict === 'open') ??
      holds
    );
  }
  if (expr.op === 'or') {
    const sides = [decide(env, expr.left), decide(env, expr.right)];
    if (sides.some((side) => side.verdict === 'holds')) return holds;
    return sides.every((side) => side.verdict === 'fails') ? fails : open;
  }
  const left = quietly(env, expr.left);
  const right = quietly(env, expr.right);
  const a = constantOf(left);
  const b = constantOf(right);
  if (a !== undefined && b !== undefined) {
    const known = compareConstants(expr.op, a, b);
    return known === null ? open : known ? holds : fails;
  }
  const whole = divisibility(env, expr);
  if (whole) {
    const division = judgeDivision(env, whole.of, whole.by);
    if (division.whole === 'proven') return holds;
    const constants = asConstant(whole.of) !== null && asConstant(whole.by) !== null;
    return division.whole === 'refuted' ? refutedAs(constants ? 'fails' : 'refuted', division) : open;
  }
  if (!left.size || !right.size) return open;
  const one = constant(1);
  const judged = (() => {
    switch (expr.op) {
      case '==':
      case '!=':
        return judgeSizes(env, left.size, right.size);
      case '<=':
        return judgeOrder(env, left.size, right.size);
      case '>=':
        return judgeOrder(env, right.size, left.size);
      case '<':
        return judgeOrder(env, plus(left.size, one), right.size);
      case '>':
        return judgeOrder(env, plus(right.size, one), left.size);
      default:
        return null;
    }
  })();
  if (!judged) return open;
  if (expr.op === '!=') {
    if (judged.verdict === 'never') return holds;
    return judged.verdict === 'proven' ? fails : open;
  }
  switch (judged.verdict) {
    case 'proven':
      return holds;
    case 'never':
      return { verdict: 'fails', witness: judged.witness, fix: null };
    case 'refuted':
      return refutedAs('refuted', judged);
    default:
      return open;
  }
};

/** The facts with a condition that holds (or, with `negated`, does not). */
export const factsWith = (env: Env, expr: Expr, negated = false): Facts => {
  if (expr.kind === 'unary' && expr.op === 'not') return factsWith(env, expr.value, !negated);
  if (expr.kind !== 'binary') return env.facts;
  if ((expr.op === 'and' && !negated) || (expr.op === 'or' && negated)) {
    const facts = factsWith(env, expr.left, negated);
    return factsWith({ ...env, facts }, expr.right, negated);
  }
  if (expr.op === 'and' || expr.op === 'or') return env.facts;
  const whole = divisibility(env, expr);
  if (whole) {
    return negated
      ? assumeNot(env.facts, whole.by, 'divides', whole.of)
      : assume(env.facts, whole.by, 'divides', whole.of);
  }
  const left = quietly(env, expr.left).size;
  const right = quietly(env, expr.right).size;
  if (!left || !right) return env.facts;
  const set = negated ? assumeNot : assume;
  switch (expr.op) {
    case '==':
      return set(env.facts, left, '==', right);
    case '!=':
      return (negated ? assume : assumeNot)(env.facts, left, '==', right);
    case '<':
      return set(env.facts, left, '<', right);
    case '<=':
      return set(env.facts, left, '<=', right);
    case '>':
      return set(env.facts, right, '<', left);
    case '>=':
      return set(env.facts, right, '<=', left);
    default:
      return env.facts;
  }
};
