/** Metrics written in TypeScript: how they are called, and what they give. */
import type { Arg, ExternItem } from '../parser/ast.js';
import { wrongType } from '../parser/messages.gen.js';
import type { Span } from '../parser/source.js';
import { isInStep } from './calls.js';
import { bindDeclared } from './declared-calls.js';
import type { Env, FileScope } from './env.js';
import { moduleOf, passedOn } from './externs.js';
import type { IrReduction, IrType } from './ir.js';
import { tensorType, type Type } from './types.js';
import { unknownValue, value, type Value } from './value.js';

/** One number (`-> f32`), or the names of several (`-> { low: f32, high: f32 }`); null where it is declared as neither. */
const figuresOf = ({ result }: ExternItem): readonly string[] | 'one' | null => {
  const isNumber = (type: ExternItem['result']): boolean =>
    type?.kind === 'namedType' && type.name.text === 'f32' && (type.shape?.dims.length ?? 0) === 0;
  if (isNumber(result)) return 'one';
  if (result?.kind !== 'recordType' || result.fields.length === 0) return null;
  return result.fields.every((field) => isNumber(field.type))
    ? result.fields.map((field) => field.name.text)
    : null;
};

/** What a metric is declared to give. Reports what no metric gives. */
export const metricResult = (env: Env, item: ExternItem): IrType => {
  const number: IrType = { kind: 'tensor', dtype: 'f32', shape: [] };
  const figures = figuresOf(item);
  if (figures === null)
    env.checker.report(
      wrongType(
        item.result?.span ?? item.name.span,
        {
          what: `what metric \`${item.name.text}\` gives`,
          found: item.result ? 'something else' : 'nothing',
          expected: 'a number, or several by name',
        },
        { help: 'write `-> f32`, or `-> { low: f32, high: f32 }`' },
      ),
    );
  return figures === null || figures === 'one'
    ? number
    : { kind: 'record', fields: figures.map((name) => ({ name, type: number })) };
};

export const callExternMetric = (
  env: Env,
  decl: ExternItem,
  file: FileScope,
  args: readonly Arg[],
  span: Span,
  piped: Value | null,
): Value => {
  const name = decl.name.text;
  const call = bindDeclared(env, decl, file, args, span, piped);
  const figures = figuresOf(decl);
  if (!call || figures === null || !isInStep(env, name, span)) return unknownValue(span);
  const type: Type =
    figures === 'one'
      ? tensorType('f32', [])
      : { kind: 'setting', what: `a metric of ${figures.length} numbers`, figures };
  const reduction: IrReduction = {
    span,
    kind: 'metric',
    metric: name,
    module: moduleOf(file, decl),
    ...(figures === 'one' ? {} : { figures }),
    ...passedOn(decl.params, call),
  };
  return value(span, type, { kind: 'literal', value: null }, { total: { kind: 'leaf', reduction } });
};
