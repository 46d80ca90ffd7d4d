/** The messages for text that the grammar does not know. The first explanation that fits is the one. */
import type { Diagnostic, Related } from './diagnostic.js';
import * as messages from './messages.gen.js';
import { closerOf, isCloser } from './regions.js';
import { explainBody } from './syntax-bodies.js';
import { explainDeclaration } from './syntax-declarations.js';
import { explainValue } from './syntax-values.js';
import * as S from './syntax-situation.js';
import * as T from './tokens.js';

/** What a rule wants where none of its alternatives fits. */
const nouns: ReadonlyMap<string, readonly string[]> = new Map([
  ['primary', ['a value']],
  ['choice', ['a value']],
  ['spec', ['a declaration']],
  ['decl', ['a declaration']],
  ['statement', ['a statement']],
  ['stage', ['a layer or function']],
  ['typeTerm', ['a type']],
  ['dim', ['a size']],
  ['slice', ['an index']],
  ['entry', ['an attribute']],
  ['externItem', ['an item such as `fn` or `layer`']],
  ['tuple', ['a value']],
  ['slices', ['an index']],
  ['scheduleDecl', ['a phase']],
  ['fnDecl', ['`=`', '`{`']],
  ['modelDecl', ['`on`', '`(`', '`=`']],
  ['stepDecl', ['`every`', '`=`', '`{`']],
  ['comparison', ['a comparison']],
]);

/** What a rule wants besides a closing bracket or `return`: what it may repeat before. */
const repeated: ReadonlyMap<string, string> = new Map([
  ['body', 'a statement'],
  ['graph', 'a statement'],
  ['config', 'an attribute'],
  ['externDecl', 'an item'],
  ['scheduleDecl', 'a phase'],
]);

const mostExpectations = 3;

const expectations = (at: S.Situation): readonly string[] => {
  const { rule, expected } = at.problem;
  const [only] = expected;
  if (only === undefined || expected.length > 1 || rule === 'spec') {
    const labels = [...new Set(expected.map((type) => type.LABEL ?? type.name))];
    return nouns.get(rule) ?? labels.slice(0, mostExpectations);
  }
  const label = only.LABEL ?? only.name;
  if (rule === 'scheduleDecl' && S.wordAt(at, -1) === '{') return ['a phase'];
  const closes = [T.RightBrace, T.RightBracket, T.RightParen].includes(only);
  if (only === T.Return) return ['a statement', label];
  if (closes && rule === 'graph') return [label];
  const before = repeated.get(rule);
  if (closes && before !== undefined) return [before, label];
  const previous = S.near(at, -1);
  const opened = previous !== undefined && ['(', '[', '{'].includes(previous.image);
  if (closes && opened) return [rule === 'record' || rule === 'recordType' ? 'a field' : 'a value', label];
  return closes ? ['`,`', label] : [label];
};

const listed = (parts: readonly string[]): string =>
  parts.length < 2 ? parts.join('') : `${parts.slice(0, -1).join(', ')} or ${parts.at(-1) ?? ''}`;

const hintFor = (at: S.Situation): string | null => {
  const { rule } = at.problem;
  const found = S.wordAt(at, 0);
  if (S.expects(at, T.On))
    return S.wordAt(at, -1) === ')'
      ? 'parentheses hold parameters; inputs stand behind them: `on x: f32[n, 4] -> f32[n, 2]`'
      : 'write its inputs and result: `on x: f32[n, 4] -> f32[n, 2]`';
  if ((rule === 'config' && found === '->') || (S.wordAt(at, -1) === 'map' && S.expects(at, T.Identifier)))
    return 'write `map row -> { image: row.image }`';
  if (S.expects(at, T.Comma) || (rule === 'record' && S.expects(at, T.RightBrace))) {
    if ([':', '='].includes(S.wordAt(at, 1))) return `a comma stands before \`${S.cut(found)}\``;
  }
  if (found === '|') return 'a layer or function is applied with `|>`';
  const applied =
    S.isA(S.near(at, 0), T.Identifier) && S.wordAt(at, 1) === '(' && S.endsValue(S.near(at, -1));
  if (applied && rule === 'graph') return `write \`|> ${S.cut(found)}(…)\` to apply it`;
  if (found === '{' && S.expects(at, T.Identifier) && S.wordAt(at, -1) === 'trainer')
    return 'give it a name: `trainer Mine { … }`';
  if (found.startsWith('"') && rule === 'recordType') return 'choices are written `"a" | "b"`';
  if (found.startsWith('"') && S.expects(at, T.Identifier))
    return `a name stands without quotes: ${S.cut(found.slice(1, -1))}`;
  if (rule === 'stepDecl' && found === '(')
    return 'a step takes batches, whose fields have names: `step train(batch in train_set)`, then `batch.image`';
  if (rule === 'signature' && found === '(') return 'inputs stand without parentheses: `on x: f32[n, 4]`';
  if (rule === 'signature' || rule === 'fnDecl')
    return S.expects(at, T.Arrow) ? 'write its result: `-> f32[n, 2]`' : null;
  if (rule === 'forStmt' && S.expects(at, T.DotDot)) return 'a loop counts through a range: `for i in 0..4`';
  if (rule === 'body' && found === 'then') return 'the statement takes braces: `if test { … }`';
  if (rule === 'importDecl') return 'write `import { Name } from "./file.ztrain"`';
  if (rule === 'config' && found === '(') return 'attributes stand in braces: `{ lr = 1e-3 }`';
  return null;
};

/** The own words of last resort. */
const explainPlainly = (at: S.Situation): Diagnostic => {
  const help = hintFor(at);
  return messages.unexpectedToken(
    S.stopSpan(at),
    { expected: listed(expectations(at)), found: S.shown(S.near(at, 0)) },
    help === null ? {} : { help },
  );
};

const explainBracket = (at: S.Situation): Diagnostic | null => {
  const { unclosed, noticed } = at.region;
  if (unclosed === null) return null;
  const closer = closerOf(unclosed);
  const related: Related[] =
    noticed === null ? [] : [{ span: S.spanOf(at, noticed), label: `\`${closer}\` is missing before this` }];
  return messages.unclosedBracket(
    S.spanOf(at, unclosed),
    { opener: unclosed.image },
    { related, help: `close it with \`${closer}\`` },
  );
};

const explainHardWord = (at: S.Situation): Diagnostic | null => {
  const actual = S.near(at, 0);
  if (actual === undefined || !T.hardWords.includes(actual.tokenType)) return null;
  const isKey = ['=', ':'].includes(S.wordAt(at, 1)) && !S.isOneOf(actual, [T.Else, T.Then, T.True, T.False]);
  const wantsName = at.problem.expected.length === 1 && S.expects(at, T.Identifier);
  if (!isKey && !wantsName) return null;
  return messages.hardWord(
    S.spanOf(at, actual),
    { word: actual.image },
    { help: `take another name, such as \`${actual.image}_\`` },
  );
};

/** Words after which a comma was plainly too much. */
const sectionWords = [...T.declarationWords, ...T.statementWords, T.Let, T.If, T.For, T.Return];

const explainComma = (at: S.Situation): Diagnostic | null => {
  const actual = S.near(at, 0);
  const previous = S.near(at, -1);
  if (previous !== undefined && S.isA(previous, T.Comma) && isCloser(actual)) {
    const span = S.spanOf(at, previous);
    return messages.trailingComma(span, S.mend('remove the comma', span, ''));
  }
  if (actual === undefined || !S.isA(actual, T.Comma)) return null;
  const span = S.spanOf(at, actual);
  const between: ReadonlyMap<string, string> = new Map([
    ['config', 'attributes'],
    ['body', 'statements'],
    ['graph', 'statements'],
    ['scheduleDecl', 'phases'],
    ['externDecl', 'the items of an `extern`'],
    ['spec', 'declarations'],
  ]);
  const parts = between.get(at.problem.rule);
  if (parts === undefined || !S.endsValue(previous)) return null;
  const next = S.near(at, 1);
  const starts = parts === 'attributes' || parts === 'phases' || S.isOneOf(next, sectionWords);
  const details = starts
    ? S.mend('remove the comma', span, '')
    : { help: 'start what follows with the word for its kind' };
  return messages.commaBetween(span, { parts }, details);
};

const explanations: readonly ((at: S.Situation) => Diagnostic | null)[] = [
  explainComma,
  explainValue,
  explainHardWord,
  explainBody,
  explainDeclaration,
];

/** Says what is wrong where the parser stopped: one diagnostic, or two where a bracket is open as well. */
export const explainSyntax = (at: S.Situation): readonly Diagnostic[] => {
  const bracket = explainBracket(at);
  const stop = S.stopSpan(at).start;
  if (bracket !== null && bracket.span.start <= stop) return [bracket];
  const rest = bracket === null ? [] : [bracket];
  const first = at.tokens[at.start];
  const next = at.tokens[at.region.end];
  if (at.index > at.region.end && first !== undefined && next !== undefined) {
    const last = at.tokens[at.region.end - 1] ?? first;
    const args = { word: first.image, next: S.cut(next.image) };
    return [
      messages.incompleteDeclaration(S.spanOf(at, last), args, { label: 'something is missing behind this' }),
      ...rest,
    ];
  }
  for (const explain of explanations) {
    const diagnostic = explain(at);
    if (diagnostic !== null) return [diagnostic, ...rest];
  }
  return [explainPlainly(at), ...rest];
};
