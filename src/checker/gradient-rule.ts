/** `gradient(of = …, by = x)`: a gradient as a value of a step or a model. */
import { gradientBy, gradientOf, wrongDtype } from '../parser/messages.gen.js';
import type { Env } from './env.js';
import type { IrExpr } from './ir.js';
import { castHelp } from './operators.js';
import { tensorArg, type Rule } from './rules.js';
import { isFinished } from './totals.js';
import { aType } from './types.js';

/** Whether an expression reads one value that exists already: only by such a one can be differentiated. */
const isName = (expr: IrExpr): boolean =>
  (expr.kind === 'ref' && (expr.ref.kind === 'local' || expr.ref.kind === 'input')) ||
  (expr.kind === 'field' && expr.of.kind === 'ref');

const whatIs = (env: Env): string | null =>
  env.place.kind === 'map' ? 'a field of `map`' : env.place.kind === 'host' ? 'what is set for a run' : null;

/** The type of `by`, where the two can be a value and what it depends on. */
export const gradientRule: Rule = (call) => {
  const { env, span } = call;
  const [of, by] = [tensorArg(call, 'of'), tensorArg(call, 'by')];
  const [value, name] = [call.args.get('of'), call.args.get('by')];
  if (!of || !by || !value || !name) return null;
  const place = whatIs(env);
  if (place !== null) {
    env.checker.report(
      gradientOf(span, { found: place, expected: 'a step or a model' }, { help: 'take it in a step' }),
    );
    return null;
  }
  if (of.dtype !== 'f32' || of.shape.length > 0) {
    env.checker.report(
      gradientOf(
        value.span,
        { found: aType(of), expected: 'one f32 number' },
        of.dtype === 'f32' ? { help: 'write `sum(…)`: then each row has its own gradient' } : {},
      ),
    );
    return null;
  }
  if (value.total?.kind === 'leaf' && isFinished(value.total.reduction)) {
    env.checker.report(
      gradientOf(
        value.span,
        { found: 'a metric', expected: 'one f32 number' },
        { help: 'a metric is a number of all batches, which has no gradient' },
      ),
    );
    return null;
  }
  if (by.dtype !== 'f32') {
    env.checker.report(
      wrongDtype(
        name.span,
        { what: '`by` of `gradient`', found: by.dtype, expected: 'f32' },
        { help: `${castHelp(by.dtype)}, give that a name by \`let\`, and compute with it` },
      ),
    );
    return null;
  }
  if (!isName(name.ir)) {
    env.checker.report(
      gradientBy(name.span, {
        help: 'write `let x = …` before what depends on it is computed, and `by = x`',
      }),
    );
    return null;
  }
  return by;
};
