/** What goes wrong between the statements of a graph or step and between the attributes of a config. */
import type { Diagnostic } from './diagnostic.js';
import * as messages from './messages.gen.js';
import { nearest } from './nearest.js';
import * as S from './syntax-situation.js';
import * as T from './tokens.js';

const stepWords = ['let', 'assert', 'update', 'minimize', 'metric', 'every', 'for', 'if', 'return'];
const graphWords = ['layer', 'let', 'assert', 'return'];
/** Words that declare a value in other languages. */
const foreignLet = new Set(['var', 'val', 'const', 'auto', 'final', 'mut', 'def', 'param']);

/** Calls that other libraries make in a training loop. */
const foreignCall = (name: string): string | null => {
  if (name === 'print') return 'write `metric name = …`, which is shown and kept';
  return ['backward', 'step', 'zero_grad', 'minimize', 'apply_gradients', 'fit', 'train', 'eval'].includes(
    name,
  )
    ? 'gradients are taken and applied by `update opt { minimize loss }`'
    : null;
};

const explainEntry = (at: S.Situation): Diagnostic | null => {
  const key = S.near(at, 0);
  if (at.problem.rule !== 'entry' || key === undefined || at.problem.expected.length < 2) return null;
  const next = S.near(at, 1);
  const name = S.cut(key.image);
  const span = S.spanOf(at, key);
  if (next === undefined || S.isOneOf(next, [T.RightBrace, T.Comma])) {
    return messages.attributeWithoutValue(span, { name }, { help: `write \`${name} = …\`` });
  }
  const sign = S.spanOf(at, next);
  if (S.isA(next, T.Colon))
    return messages.colonInAttribute(sign, S.mend(`write \`${name} = …\``, sign, ' ='));
  if (S.isA(next, T.Dot)) {
    const last = S.near(at, 2) ?? next;
    return messages.dottedKey(
      { ...span, end: S.spanOf(at, last).end },
      { key: S.cut(at.source.text.slice(span.start, S.spanOf(at, last).end)) },
      { help: `a value with parts is a call or a record: \`${name} = …\`` },
    );
  }
  if (['group', 'map'].includes(key.image)) {
    const found = S.shown(next);
    const help =
      key.image === 'map'
        ? 'write `map row -> { image: row.image }`'
        : 'write `group slow { match = ["head.*"] }`';
    return messages.unexpectedToken(sign, { expected: 'a name', found }, { help });
  }
  if (S.isA(next, T.LeftBrace)) {
    const help = `write \`group ${name} { … }\`, or \`${name} = { … }\` for a record`;
    return messages.missingEquals(S.behind(at, key), { name }, { help });
  }
  if (S.isOneOf(next, [T.EqualEqual, T.Arrow])) {
    return messages.unexpectedToken(sign, { expected: '`=`', found: S.shown(next) });
  }
  return messages.missingEquals(
    S.behind(at, key),
    { name },
    S.mend(`write \`${name} = …\``, S.behind(at, key), ' ='),
  );
};

const explainAssignment = (at: S.Situation): Diagnostic | null => {
  const name = S.near(at, 0);
  if (name === undefined || !S.isA(name, T.Identifier)) return null;
  const span = S.spanOf(at, name);
  const word = S.cut(name.image);
  const start = { ...span, end: span.start };
  const next = S.wordAt(at, 1);
  if (next === '=' || next === ':') {
    return messages.assignment(span, { name: word }, S.mend(`write \`let ${word} = …\``, start, 'let '));
  }
  if (['+', '-', '*', '/'].includes(next) && S.wordAt(at, 2) === '=') {
    return messages.assignment(
      span,
      { name: word },
      { help: `give the new value a name: \`let next = ${word} ${next} …\`` },
    );
  }
  if (foreignLet.has(name.image) && S.isA(S.near(at, 1), T.Identifier)) {
    return messages.foreignWord(span, { word }, S.mend('write `let`', span, 'let'));
  }
  return null;
};

const placeOf = (rule: string): string => (rule === 'graph' ? 'a graph' : 'a step');

const explainStatementWord = (at: S.Situation): Diagnostic | null => {
  const token = S.near(at, 0);
  const { rule } = at.problem;
  if (token === undefined) return null;
  const span = S.spanOf(at, token);
  const place = placeOf(rule);
  const next = S.near(at, 1);
  const word = token.image;
  const startsStatement =
    S.isA(next, T.Identifier) ||
    (['minimize', 'every', 'for', 'if'].includes(word) && !S.isA(next, T.LeftParen));
  if (startsStatement && rule === 'graph' && stepWords.includes(word) && !graphWords.includes(word)) {
    const help =
      word === 'if' ? 'choose a value: `let y = if test then a else b`' : `write \`${word}\` in a step`;
    return messages.strayStatement(span, { word, place }, { help });
  }
  if (word === 'layer' && rule === 'body' && startsStatement) {
    return messages.strayStatement(span, { word, place }, { help: 'layers stand in a `block` or `model`' });
  }
  const isDeclaration = T.declarationWords.includes(token.tokenType) && S.isA(next, T.Identifier);
  if (isDeclaration) {
    return messages.strayStatement(
      span,
      { word, place },
      { help: 'declarations stand outside of all braces' },
    );
  }
  return null;
};

const explainStatement = (at: S.Situation): Diagnostic | null => {
  const token = S.near(at, 0);
  const { rule } = at.problem;
  const inGraph = rule === 'graph' && S.expects(at, T.Return);
  const inBody = rule === 'body' && S.expects(at, T.RightBrace);
  if (!inGraph && !inBody) return null;
  if (inGraph && (token === undefined || S.isA(token, T.RightBrace))) {
    return messages.missingReturn(S.stopSpan(at), { help: 'end it with `return` and its value' });
  }
  if (token === undefined) return null;
  const span = S.spanOf(at, token);
  if (['elif', 'elsif', 'elseif'].includes(token.image)) {
    return messages.elseIf(span, { found: token.image }, { help: 'write `else { if test { … } }`' });
  }
  const known = explainAssignment(at) ?? explainStatementWord(at);
  if (known !== null || !S.isA(token, T.Identifier)) return known;
  const words = inGraph ? graphWords : stepWords;
  const [meant] = nearest(token.image, words, 1);
  if (meant !== undefined && S.endsValue(S.near(at, 1)) && !S.isA(S.near(at, 1), T.RightBrace)) {
    const word = S.cut(token.image);
    return messages.unknownStatement(span, { word }, S.mend(`write \`${meant}\``, span, meant));
  }
  if (inGraph) {
    const start = { ...span, end: span.start };
    return messages.missingReturn(span, S.mend('write `return` before the value', start, 'return '));
  }
  const told = foreignCall(S.wordAt(at, 1) === '.' ? S.wordAt(at, 2) : token.image);
  const help =
    told ??
    `a statement starts with ${words
      .slice(0, -1)
      .map((word) => `\`${word}\``)
      .join(', ')} or \`return\``;
  return messages.unknownStatement(span, { word: S.cut(token.image) }, { help });
};

const explainAfterReturn = (at: S.Situation): Diagnostic | null => {
  const token = S.near(at, 0);
  if (token === undefined || at.problem.rule !== 'graph' || !S.expects(at, T.RightBrace)) return null;
  const follows =
    S.isOneOf(token, [T.Let, T.Return]) ||
    (S.isOneOf(token, [T.Layer, T.Assert]) && S.endsValue(S.near(at, -1)));
  if (!follows) return null;
  const help = 'move it above `return`, which stands last';
  return messages.afterReturn(S.spanOf(at, token), { word: token.image }, { help });
};

const explainElseIf = (at: S.Situation): Diagnostic | null => {
  const token = S.near(at, 0);
  if (token === undefined || !S.isA(token, T.If) || S.wordAt(at, -1) !== 'else') return null;
  return messages.elseIf(
    S.spanOf(at, token),
    { found: 'else if' },
    { help: 'write `else { if test { … } }`' },
  );
};

/** `const classes 10`, `optimizer opt adam { … }` */
const explainMissingEquals = (at: S.Situation): Diagnostic | null => {
  const name = S.near(at, -1);
  const token = S.near(at, 0);
  if (!S.expects(at, T.Equal) || at.problem.expected.length > 1 || name === undefined || token === undefined)
    return null;
  if (S.isOneOf(token, [T.EqualEqual, T.Colon, T.RightBrace, T.Equal, T.Dot]) || !S.endsValue(name))
    return null;
  const gap = S.behind(at, name);
  const word = S.cut(name.image);
  return messages.missingEquals(gap, { name: word }, S.mend(`write \`${word} = …\``, gap, ' ='));
};

export const explainBody = (at: S.Situation): Diagnostic | null =>
  explainEntry(at) ??
  explainElseIf(at) ??
  explainStatement(at) ??
  explainAfterReturn(at) ??
  explainMissingEquals(at);
