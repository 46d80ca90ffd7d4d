/** What goes wrong within expressions, types and lists of parameters. */
import type { Diagnostic } from './diagnostic.js';
import * as messages from './messages.gen.js';
import * as S from './syntax-situation.js';
import * as T from './tokens.js';

const operators = [T.Plus, T.Minus, T.Star, T.Slash, T.Percent, T.At, T.Power, T.And, T.Or, ...T.comparisons];

const explainOperator = (at: S.Situation): Diagnostic | null => {
  const actual = S.near(at, 0);
  const previous = S.near(at, -1);
  if (actual === undefined || !S.endsValue(previous)) return null;
  const span = S.spanOf(at, actual);
  if (S.expects(at, T.Arrow)) return null;
  const afterPipe = [...operators, T.Dot, T.LeftBracket];
  if (S.isOneOf(actual, afterPipe) && S.earlierInExpression(at, [T.Pipe]) !== undefined) {
    return messages.operatorAfterPipe(
      span,
      { operator: actual.image },
      { help: `put the pipe in parentheses: \`(x |> f()) ${actual.image} …\`` },
    );
  }
  if (S.isOneOf(actual, T.comparisons)) {
    const first = S.earlierInExpression(at, T.comparisons);
    if (first === undefined || previous === undefined) return null;
    const middle = at.source.text.slice(S.spanOf(at, first).end, S.spanOf(at, previous).end).trim();
    const help = `write \`… ${first.image} ${S.cut(middle)} and ${S.cut(middle)} ${actual.image} …\``;
    return messages.chainedComparison(span, {
      related: [{ span: S.spanOf(at, first), label: 'the first comparison' }],
      ...S.mend(help, { ...span, end: span.start }, `and ${middle} `),
    });
  }
  if (!S.isA(actual, T.Equal)) return null;
  const condition = S.lookBack(at, (token) =>
    S.isOneOf(token, [T.Where, T.If, T.Assert])
      ? true
      : S.isOneOf(token, [T.Let, T.Return, T.Colon])
        ? false
        : undefined,
  );
  if (condition === undefined) return null;
  return messages.singleEquals(span, S.mend('write `==` to compare', span, '=='));
};

/** Whether the parser stopped where any value may start. */
const wantsValue = (at: S.Situation): boolean =>
  ['primary', 'choice', 'slice', 'dim'].includes(at.problem.rule) && at.problem.expected.length > 1;

const explainPrimary = (at: S.Situation): Diagnostic | null => {
  if (!wantsValue(at)) return null;
  const previous = S.near(at, -1);
  const afterNumber = S.isOneOf(S.near(at, -2), [T.IntNumber, T.FloatNumber]);
  if (previous !== undefined && S.isA(previous, T.Percent) && afterNumber) {
    const amount = S.wordAt(at, -2);
    const sign = S.spanOf(at, previous);
    const help = `write \`${amount}.percent\``;
    return messages.unitForm(sign, { found: `${amount}%` }, S.mend(help, sign, '.percent'));
  }
  const actual = S.near(at, 0);
  if (actual === undefined) return null;
  const span = S.spanOf(at, actual);
  if (S.isA(actual, T.Where) && S.wordAt(at, 1) === '(') {
    return messages.whereCall(span, S.mend('write `select(test, a, b)`', span, 'select'));
  }
  if (S.isA(actual, T.If)) {
    return messages.ifOperand(span, { help: 'put it in parentheses: `(if test then a else b)`' });
  }
  return null;
};

const units = new Set(
  'step steps epoch epochs batch batches sample samples percent second seconds minute minutes hour hours day days KiB MiB GiB KB MB GB'.split(
    ' ',
  ),
);

const explainUnit = (at: S.Situation): Diagnostic | null => {
  const actual = S.near(at, 0);
  const previous = S.near(at, -1);
  if (actual === undefined || previous === undefined || !units.has(actual.image)) return null;
  if (!S.isOneOf(previous, [T.IntNumber, T.FloatNumber]) || S.wordAt(at, 1) === '=') return null;
  const gap = { file: at.source.id, start: S.spanOf(at, previous).end, end: actual.startOffset };
  const found = `${previous.image} ${actual.image}`;
  const written = `${previous.image}.${actual.image}`;
  return messages.unitForm(S.spanOf(at, actual), { found }, S.mend(`write \`${written}\``, gap, '.'));
};

const explainChoice = (at: S.Situation): Diagnostic | null => {
  if (at.problem.rule !== 'choice' || at.problem.expected.length > 1) return null;
  const actual = S.near(at, 0);
  if (actual !== undefined && S.isA(actual, T.Pipe)) {
    return messages.pipeInChoice(S.spanOf(at, actual), {
      help: 'put each pipe in parentheses: `if test then (x |> f()) else x`',
    });
  }
  const help = 'a value is chosen by `if test then a else b`';
  if (S.expects(at, T.Then))
    return messages.missingThen(S.stopSpan(at), { found: S.shown(S.near(at, 0)) }, { help });
  if (S.expects(at, T.Else))
    return messages.missingElse(S.stopSpan(at), { found: S.shown(S.near(at, 0)) }, { help });
  return null;
};

const explainStage = (at: S.Situation): Diagnostic | null => {
  const actual = S.near(at, 0);
  if (at.problem.rule !== 'stage' || actual === undefined) return null;
  const help = S.isA(actual, T.If)
    ? 'choose the whole value: `if test then (x |> f()) else x`'
    : 'write a layer or function, such as `|> dense(10)`';
  return messages.pipeTarget(S.spanOf(at, actual), { found: S.shown(actual) }, { help });
};

/** `:` for `=` and `=` for `:`, in arguments, parameters and records. */
const explainFields = (at: S.Situation): Diagnostic | null => {
  const actual = S.near(at, 0);
  const name = S.near(at, -1);
  if (actual === undefined || name === undefined || !S.isA(name, T.Identifier)) return null;
  const span = S.spanOf(at, actual);
  const { rule } = at.problem;
  if (rule === 'args' && S.isA(actual, T.Colon) && ['(', ','].includes(S.wordAt(at, -2))) {
    const help = `write \`${S.cut(name.image)} = …\``;
    return messages.colonInArguments(span, S.mend(help, span, ' ='));
  }
  const isRecordType = rule === 'typeOf' && S.enclosingOpener(at)?.image === '{';
  if (S.isA(actual, T.Equal) && (rule === 'record' || isRecordType)) {
    const help = `write \`${S.cut(name.image)}: …\``;
    return messages.equalsInRecord(span, S.mend(help, span, ':'));
  }
  if (rule === 'record' && S.expects(at, T.Colon) && ['}', ','].includes(actual.image)) {
    const word = name.image;
    const help = `write \`${S.cut(word)}: ${S.cut(word)}\``;
    return messages.fieldWithoutValue(
      S.spanOf(at, name),
      { name: S.cut(word) },
      S.mend(help, S.behind(at, name), `: ${word}`),
    );
  }
  if (rule === 'typeOf' && S.expects(at, T.Colon)) {
    const word = S.cut(name.image);
    return messages.missingType(
      S.spanOf(at, name),
      { name: word },
      { help: `write its type behind it, such as \`${word}: float\`` },
    );
  }
  return null;
};

const explainArrow = (at: S.Situation): Diagnostic | null => {
  const actual = S.near(at, 0);
  const next = S.near(at, 1);
  if (actual === undefined || !S.expects(at, T.Arrow)) return null;
  const span = S.spanOf(at, actual);
  if (S.isA(actual, T.Colon))
    return messages.wrongArrow(span, { found: ':' }, S.mend('write `->`', span, ' ->'));
  if (next === undefined || !S.isA(actual, T.Less) || !S.isA(next, T.Minus)) return null;
  const both = { ...span, end: S.spanOf(at, next).end };
  return messages.wrongArrow(both, { found: '<-' }, S.mend('write `->`', both, '->'));
};

export const explainValue = (at: S.Situation): Diagnostic | null =>
  explainArrow(at) ??
  explainUnit(at) ??
  explainPrimary(at) ??
  explainChoice(at) ??
  explainStage(at) ??
  explainFields(at) ??
  explainOperator(at);
