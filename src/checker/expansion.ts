/**
 * How much one use becomes: functions are copied to where they are called, blocks are checked again for each use, and
 * turns of a constant count one by one. What would become too much is refused where it is begun.
 */
import type { Diagnostic } from '../parser/diagnostic.js';
import type { Name } from '../parser/ast.js';
import { tooMuchUnrolled } from '../parser/messages.gen.js';
import type { Span } from '../parser/source.js';
import type { Env } from './env.js';

/** Calls, blocks and turns in one another that one use may become. */
const most = 10_000;
/** Weights of one block or model. */
const mostWeights = 20_000;

interface Meter {
  depth: number;
  count: number;
}

const meterOf = (env: Env): Meter =>
  env.checker.memo(env.checker, 'expansion', (): Meter => ({ depth: 0, count: 0 }));

/** What was found to become too much, with what was said of it. */
const tooLarge = (env: Env): Map<object, Diagnostic> =>
  env.checker.memo(env.checker.open, 'too large', () => new Map<object, Diagnostic>());

export interface Expanded {
  readonly key: object;
  readonly what: string;
  readonly span: Span;
  readonly help: string;
}

/** One call, use or turn of `of`: what `body` makes of it, or `nothing` where it is too much, which is reported. */
export const expand = <T>(env: Env, of: Expanded, body: () => T, nothing: T): T => {
  const meter = meterOf(env);
  const known = tooLarge(env);
  if (meter.count > most) return nothing;
  const told = known.get(of.key);
  if (told) {
    // It may have been said only where nobody listened.
    env.checker.report(told);
    return nothing;
  }
  meter.count += 1;
  meter.depth += 1;
  const made = body();
  meter.depth -= 1;
  const over = meter.count > most;
  if (meter.depth > 0) return over ? nothing : made;
  meter.count = 0;
  if (!over) return made;
  const found = tooMuchUnrolled(
    of.span,
    { what: of.what, most: most.toLocaleString('en'), unit: 'calls, blocks and turns in one another' },
    { help: of.help },
  );
  known.set(of.key, found);
  env.checker.report(found);
  return nothing;
};

/** Counts the weights of one use in turns, each of which has its own. */
export const countWeights = (env: Env, key: object, weights: number): void => {
  const meter = meterOf(env);
  if (meter.depth > 0 && !tooLarge(env).has(key)) meter.count += weights;
};

/** Whether a class has more weights than are kept apart by name, which is reported. */
export const hasTooMany = (env: Env, name: Name, weights: number): boolean => {
  if (weights <= mostWeights) return false;
  env.checker.report(
    tooMuchUnrolled(
      name.span,
      { what: `\`${name.text}\``, most: mostWeights.toLocaleString('en'), unit: 'weights' },
      { help: 'repeat blocks less often in one another' },
    ),
  );
  return true;
};

/** What is made once, wherever it is first asked for, counts for itself. */
export const apart = <T>(env: Env, body: () => T): T => {
  const meter = meterOf(env);
  const { depth, count } = meter;
  Object.assign(meter, { depth: 0, count: 0 });
  const made = body();
  Object.assign(meter, { depth, count });
  return made;
};
