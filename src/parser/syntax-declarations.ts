/** What goes wrong between declarations and in their heads. */
import type { Diagnostic } from './diagnostic.js';
import * as messages from './messages.gen.js';
import { nearest } from './nearest.js';
import { isCloser } from './regions.js';
import * as S from './syntax-situation.js';
import * as T from './tokens.js';

const declarationNames = T.declarationWords.map((type) => type.name.toLowerCase());

/** Words of other languages and tools, with the one that says it here. */
const foreign: ReadonlyMap<string, string> = new Map([
  ['def', 'fn'],
  ['func', 'fn'],
  ['function', 'fn'],
  ['fun', 'fn'],
  ['proc', 'fn'],
  ['class', 'model'],
  ['struct', 'model'],
  ['network', 'model'],
  ['net', 'model'],
  ['module', 'block'],
  ['var', 'const'],
  ['val', 'const'],
  ['dataset', 'data'],
  ['include', 'import'],
  ['require', 'import'],
  ['use', 'import'],
  ['using', 'import'],
  ['hyperparameter', 'param'],
  ['scheduler', 'schedule'],
  ['plugin', 'addon'],
  ['callback', 'addon'],
  ['train', 'step train'],
  ['validate', 'step validate'],
  ['test', 'step test'],
  ['predict', 'step predict'],
]);

const inner: ReadonlyMap<string, string> = new Map([
  ['let', 'write `const` for a value of the whole file'],
  ['layer', 'layers stand in a `block` or `model`'],
  ['return', 'a result stands in a `fn`, `block`, `model` or step'],
  ['metric', 'metrics stand in a step'],
  ['minimize', 'a loss stands in an `update` of a step'],
  ['update', 'updates stand in a step'],
  ['every', 'this stands in a step, or behind its inputs'],
  ['for', 'loops stand in a step'],
  ['if', 'choices stand in a step or a value'],
  ['group', 'groups stand in the braces of an optimizer'],
  ['map', 'maps stand in the braces of a data set'],
]);

const explainTop = (at: S.Situation): Diagnostic | null => {
  const token = S.near(at, 0);
  if (at.problem.rule !== 'spec' || token === undefined) return null;
  const span = S.spanOf(at, token);
  const word = S.cut(token.image);
  const next = S.near(at, 1);
  if (isCloser(token))
    return messages.strayBracket(span, { closer: token.image }, S.mend('remove it', span, ''));
  if (S.isA(token, T.Arrow) && at.before.at(-1)?.kind === 'data') {
    return messages.recordAfterConfig(span, {
      help: 'write the record before the braces: `data d = csv -> { … } { … }`',
    });
  }
  const last = at.before.at(-1);
  const previous = S.near(at, -1);
  const startsValue = S.isOneOf(token, [T.IntNumber, T.FloatNumber, T.Text, T.True, T.False, T.LeftBracket]);
  if (last?.kind === 'param' && last.item.value === null && startsValue && previous !== undefined) {
    const gap = S.behind(at, previous);
    const name = S.cut(last.item.name.text);
    return messages.missingEquals(gap, { name }, S.mend(`write \`= ${S.cut(token.image)}\``, gap, ' ='));
  }
  const innerHelp = inner.get(token.image);
  if (innerHelp !== undefined && !S.isA(next, T.Equal)) {
    return messages.strayStatement(span, { word, place: 'the file itself' }, { help: innerHelp });
  }
  if (!S.isA(token, T.Identifier)) return null;
  const meant = foreign.get(token.image);
  if (meant !== undefined && !S.isA(next, T.Equal)) {
    return messages.foreignWord(span, { word }, S.mend(`write \`${meant}\``, span, meant));
  }
  if (S.isA(next, T.Equal)) {
    const start = { ...span, end: span.start };
    return messages.assignment(span, { name: word }, S.mend(`write \`const ${word} = …\``, start, 'const '));
  }
  const [close] = nearest(token.image, declarationNames, 1);
  if (close !== undefined)
    return messages.unknownDeclaration(span, { word }, S.mend(`write \`${close}\``, span, close));
  const names = declarationNames.map((name) => `\`${name}\``).join(', ');
  return messages.unknownDeclaration(span, { word }, { help: `a declaration starts with one of ${names}` });
};

export const explainDeclaration = (at: S.Situation): Diagnostic | null => {
  const top = explainTop(at);
  if (top !== null) return top;
  const { rule } = at.problem;
  if (rule === 'allow') {
    const help = 'write the code and why: `# allow ZT5002 "kept for the next run"`';
    return messages.allowForm(S.stopSpan(at), { found: S.shown(S.near(at, 0)) }, { help });
  }
  if (rule === 'stepDecl' && S.expects(at, T.In)) {
    const name = S.near(at, -1);
    const batch = name === undefined ? 'batch' : S.cut(name.image);
    const help = `write \`${batch} in\` and the name of a data set`;
    return messages.stepInput(S.stopSpan(at), { name: batch, found: S.shown(S.near(at, 0)) }, { help });
  }
  return null;
};
