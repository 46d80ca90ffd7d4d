/** What comes out of a step: losses, metrics and rows. */
import type { MetricStmt } from '../parser/ast.js';
import {
  batchFigure,
  duplicateKey,
  lossNotScalar,
  metricNotScalar,
  unknownName,
  updateNotHere,
  wrongRank,
  wrongType,
} from '../parser/messages.gen.js';
import { nearest } from '../parser/nearest.js';
import type { Span } from '../parser/source.js';
import { exactInstead, figuresOf, noteMeetings } from './batch-figures.js';
import { asConstant, showSize } from './dims/size.js';
import { lookup, type Env } from './env.js';
import { checkExpr } from './expressions.js';
import type { IrNamed, IrReduction, IrStepStmt } from './ir.js';
import { maskedIn } from './masked-means.js';
import { streamedOf } from './streamed.js';
import { isFinished, isSame, lossTerms, reductionOf, totalOf } from './totals.js';
import { aType, showType } from './types.js';
import { isUnknown, type Total, type Value } from './value.js';
import type { StepState } from './steps.js';

/** What `minimize` sums up. A loss that is no sum of means is taken whole for each micro-batch. */
export const termsOf = (env: Env, found: Value, span: Span): readonly IrReduction[] | null => {
  const total = totalOf(found);
  const scalar = found.type.kind === 'tensor' ? found.type.shape.length === 0 : total !== null;
  if (!scalar || !total || total.kind === 'host') {
    env.checker.report(
      lossNotScalar(
        span,
        { found: aType(found.type) },
        found.type.kind === 'tensor' && found.type.shape.length > 0
          ? { help: 'write `minimize mean(…)`' }
          : {},
      ),
    );
    return null;
  }
  if (hasMetric(total)) {
    env.checker.report(
      lossNotScalar(
        span,
        { found: 'a metric' },
        { help: 'minimize a mean over rows; a metric is a number of all batches, which no gradient reaches' },
      ),
    );
    return null;
  }
  const terms = lossTerms(total, maskedIn(env.place.statements));
  const figures = figuresOf(env.place);
  const exact = (term: IrReduction): boolean =>
    term.kind !== 'times' || (figures(term.by) === null && exact(term.of));
  if (terms && terms.every((term) => minimizable(term) && exact(term))) {
    noteMeetings(terms, env.place);
    return terms;
  }
  env.place.notes.meetsRows ??= span;
  return [{ span, kind: 'each', value: found.ir }];
};

const minimizable = (reduction: IrReduction): boolean =>
  reduction.kind === 'times'
    ? minimizable(reduction.of)
    : reduction.kind !== 'derive' && reduction.kind !== 'last';

export const checkMetric = (env: Env, statement: MetricStmt, state: StepState): void => {
  const name = statement.name.text;
  let found: Value;
  if (statement.value) found = checkExpr(env, statement.value);
  else {
    const binding = lookup(env.scope, name);
    if (binding?.kind !== 'value') {
      env.checker.report(
        unknownName(
          statement.name.span,
          { kind: 'value', name },
          { help: `write \`metric ${name} = …\`, or bind it by \`let ${name} = …\` above` },
        ),
      );
      return;
    }
    env.checker.used.add(binding);
    found = binding.value();
  }
  if (isUnknown(found)) return;
  if (statement.by && statement.by.text !== 'last' && statement.by.text !== 'mean') {
    const near = nearest(statement.by.text, ['last', 'mean']);
    env.checker.report(
      unknownName(
        statement.by.span,
        { kind: 'reduction', name: statement.by.text },
        { help: near[0] ? `write \`${near[0]}\`` : 'reductions are `last` and `mean`' },
      ),
    );
    return;
  }
  logMetric(env, name, found, statement.name.span, statement.by?.text ?? null, state);
};

const logMetric = (
  env: Env,
  name: string,
  found: Value,
  span: Span,
  by: string | null,
  state: StepState,
): void => {
  if (found.fields) {
    for (const [field, each] of found.fields) logMetric(env, `${name}.${field}`, each, span, by, state);
    return;
  }
  if (isUnknown(found)) return;
  const figures = found.type.kind === 'setting' ? found.type.figures : undefined;
  const names = [name, ...(figures ?? []).map((figure) => `${name}.${figure}`)];
  const known = state.metrics.find((each) => names.includes(each.name));
  if (known) {
    env.checker.report(
      duplicateKey(span, { name: known.name }, { related: [{ span: known.span, label: 'the first' }] }),
    );
    return;
  }
  const total = totalOf(found);
  const scalar = found.type.kind !== 'tensor' || found.type.shape.length === 0;
  if (by !== null && total && hasMetric(total)) {
    // What a metric of the prelude gives exists only at the end.
    env.checker.report(
      wrongType(
        span,
        { what: `metric \`${name}\``, found: `by ${by}`, expected: 'a value of each batch' },
        { help: `leave out \`by ${by}\`: the metric is counted over all batches` },
      ),
    );
    return;
  }
  if (!total || !scalar) {
    env.checker.report(
      metricNotScalar(
        span,
        { name, found: aType(found.type) },
        found.type.kind === 'tensor' ? { help: `write \`metric ${name} = mean(…)\`` } : {},
      ),
    );
    return;
  }
  if (figures === undefined) state.metrics.push({ span, name });
  else if (figures.length === 0) state.metrics.push({ span, name, table: true });
  else state.metrics.push(...names.slice(1).map((each) => ({ span, name: each })));
  const reduction =
    by === 'last' || (total.kind === 'host' && !figuresOf(env.place)(found.ir))
      ? { span, kind: 'last' as const, value: found.ir }
      : exactly(env, name, found, total, span, by);
  if (!reduction) return;
  const statement: IrStepStmt = { kind: 'log', span, name, value: reduction };
  // A mean of batches, or the last, is another number than what is minimized.
  if (by === null) state.totals.set(statement, total);
  env.place.statements.push(statement);
};

/** A metric over all batches: exact, or what was asked for. A number of one batch has no sum, and no mean that is meant. */
const exactly = (
  env: Env,
  name: string,
  found: Value,
  total: Total,
  span: Span,
  by: string | null,
): IrReduction | null => {
  const reduction: IrReduction =
    total.kind === 'host' ? { span, kind: 'each', value: found.ir } : reductionOf(total, span);
  const figure = figuresOf(env.place)(reduction);
  if (!figure) return reduction;
  if (by === 'mean' && found.type.kind === 'tensor') return { span, kind: 'each', value: found.ir };
  const streamed = by === null ? streamedOf(env, total, span) : null;
  if (streamed) return streamed === 'too large' ? null : streamed;
  env.checker.report(
    batchFigure(
      figure.expr.span.file === span.file ? figure.expr.span : found.span,
      {
        name,
        what: figure.kind === 'size' ? `\`${figure.batch}.size\`` : figureName(figure.name),
      },
      { help: exactInstead(figure, name) },
    ),
  );
  return null;
};

/** The statements of an update without `metric loss` of what is minimized: the run logs that anyway, under this name. */
export const withoutLoss = (
  body: readonly IrStepStmt[],
  minimized: Total | null,
  name: string,
  state: StepState,
): readonly IrStepStmt[] =>
  body.filter((each) => {
    const total = state.totals.get(each);
    if (each.kind !== 'log' || each.name !== name || !minimized || !total || !isSame(total, minimized))
      return true;
    state.metrics.splice(
      state.metrics.findIndex((metric) => metric.name === name),
      1,
    );
    return false;
  });

const figureName = (name: string): string => (/^\w+$/.test(name) ? `this \`${name}\`` : name);

/** Whether a total holds a metric of the prelude. */
const hasMetric = (total: Total): boolean =>
  total.kind === 'op' ? total.args.some(hasMetric) : total.kind === 'leaf' && isFinished(total.reduction);

export const checkReturn = (env: Env, span: Span, found: Value, state: StepState): void => {
  if (state.stage === 'train' || state.stage === 'measure') {
    env.checker.report(
      updateNotHere(span, {
        statement: 'return',
        reason: `gives rows of output, which \`step ${state.stage}\` does not have`,
      }),
    );
    return;
  }
  if (isUnknown(found)) return;
  state.returns.push(span);
  if (!found.fields) {
    env.checker.report(
      wrongType(span, {
        what: 'what a step returns',
        found: aType(found.type),
        expected: 'a record `{ name: value }`',
      }),
    );
    return;
  }
  const fields: IrNamed[] = [];
  for (const [name, field] of found.fields) {
    if (isUnknown(field)) return;
    const rows = field.type.kind === 'tensor' || field.type.kind === 'text' ? field.type.shape[0] : undefined;
    const fits =
      rows !== undefined &&
      [...env.place.batchSizes].some((size) => size.endsWith('.size') && showSize(rows) === size);
    if (!fits) {
      env.checker.report(
        wrongRank(field.span, {
          what: `\`${name}\``,
          found:
            rows && asConstant(rows) !== null
              ? `${showType(field.type)}: not the batch's rows`
              : showType(field.type),
          expected: 'a tensor with one row for each row of the batch is',
        }),
      );
      return;
    }
    fields.push({ name, value: field.ir });
  }
  env.place.statements.push({ kind: 'return', span, fields });
};
