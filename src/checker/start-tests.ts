/** Orders of sizes that only the numbers of a run decide: tested at its start, before anything is trained. */
import { wrongSize } from '../parser/messages.gen.js';
import type { Span } from '../parser/source.js';
import { byDefault, showDefaults } from './defaults.js';
import { showSize, symbolsOf, type Size } from './dims/size.js';
import { hostPlace, type Env } from './env.js';
import type { IrTrainer } from './ir.js';
import { judgeOrder } from './judging.js';
import { paramSymbols } from './parameters.js';
import { sizeCode } from './size-code.js';
import { boolType } from './types.js';
import { value } from './value.js';

type StartTest = IrTrainer['asserts'][number];

const testsOf = (env: Env): Map<string, StartTest> =>
  env.checker.memo(env.checker.main, 'start tests', () => new Map<string, StartTest>());

/** What was found to be tested at the start, once the whole spec has been gone through. */
export const startTests = (env: Env): readonly StartTest[] => [...testsOf(env).values()];

/** Whether sizes are those of the run: not in bodies with free sizes, which are decided where they are used. */
const isDecided = (env: Env): boolean => {
  const within = [...env.checker.open.classes].at(-1);
  const isModel = within !== undefined && 'kind' in within && within.kind === 'model';
  return env.sure && (within === undefined || (isModel && env.file.isMain));
};

/** Whether `left <= right` may hold, for `what`; false after an error. What depends on params alone is tested at the start. */
export const mayHold = (env: Env, what: string, span: Span, left: Size, right: Size): boolean => {
  const { scope } = env.checker.main;
  if (!scope || !isDecided(env) || env.conditional || !left.known || !right.known) return true;
  if (judgeOrder(env, left, right).verdict === 'proven') return true;
  const place = hostPlace();
  for (const [name, code] of paramSymbols(env, scope)) place.symbols.set(name, code);
  const symbols = [...symbolsOf(left), ...symbolsOf(right)];
  if (symbols.length === 0 || !symbols.every((name) => place.symbols.has(name))) return true;
  const text = `${showSize(left)} <= ${showSize(right)}`;
  const args = [sizeCode(left, place, span), sizeCode(right, place, span)];
  const test = value(span, boolType, { kind: 'host', op: '<=', args });
  if (byDefault(env, test)?.constant === false) {
    env.checker.report(
      wrongSize(
        span,
        { what, found: showSize(left), expected: `at most ${showSize(right)}` },
        { notes: [showDefaults(env, [test])] },
      ),
    );
    return false;
  }
  testsOf(env).set(`${span.file} ${span.start} ${text}`, { span, test: test.ir, text, message: what });
  return true;
};
