/** The highlighting as an editor computes it. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { expect, test } from 'vitest';
import oniguruma from 'vscode-oniguruma';
import textmate from 'vscode-textmate';

const require = createRequire(import.meta.url);

const loadGrammar = async (): Promise<textmate.IGrammar> => {
  const bytes = readFileSync(require.resolve('vscode-oniguruma/release/onig.wasm'));
  await oniguruma.loadWASM(new Uint8Array(bytes));
  const registry = new textmate.Registry({
    onigLib: Promise.resolve({
      createOnigScanner: (patterns) => new oniguruma.OnigScanner(patterns),
      createOnigString: (text) => new oniguruma.OnigString(text),
    }),
    loadGrammar: (scope) => {
      const url = new URL('../../grammar/ztrain.tmLanguage.json', import.meta.url);
      return Promise.resolve(
        scope === 'source.ztrain' ? textmate.parseRawGrammar(readFileSync(url, 'utf8'), 'ztrain.json') : null,
      );
    },
  });
  const grammar = await registry.loadGrammar('source.ztrain');
  if (grammar === null) throw new Error('no grammar');
  return grammar;
};

test('words, names, numbers and comments have their scopes', async () => {
  const grammar = await loadGrammar();
  const scopeOf = (line: string, part: string): string => {
    const at = line.indexOf(part);
    const { tokens } = grammar.tokenizeLine(line, textmate.INITIAL);
    return tokens.find(({ startIndex, endIndex }) => startIndex <= at && at < endIndex)?.scopes.at(-1) ?? '';
  };
  const expected: readonly (readonly [string, string, string])[] = [
    ['model Net on x: f32[n, 4] -> f32[n] {', 'model', 'keyword.declaration.ztrain'],
    ['model Net on x: f32[n, 4] -> f32[n] {', 'Net', 'entity.name.type.ztrain'],
    ['model Net on x: f32[n, 4] -> f32[n] {', 'on', 'keyword.control.ztrain'],
    ['model Net on x: f32[n, 4] -> f32[n] {', 'f32', 'support.type.ztrain'],
    ['model Net on x: f32[n, 4] -> f32[n] {', '->', 'keyword.operator.ztrain'],
    ['/// Documents.', 'Documents', 'comment.line.documentation.ztrain'],
    ['// plain', 'plain', 'comment.line.double-slash.ztrain'],
    ['# allow ZT5002 "why"', 'allow', 'keyword.other.ztrain'],
    ['# allow ZT5002 "why"', 'ZT5002', 'constant.other.ztrain'],
    ['  warmup(to = lr, over = 500.steps)', 'warmup', 'entity.name.function.ztrain'],
    ['  warmup(to = lr, over = 500.steps)', '500', 'constant.numeric.ztrain'],
    ['  warmup(to = lr, over = 500.steps)', 'steps', 'keyword.other.unit.ztrain'],
    ['  warmup(to = lr, over = 500.steps)', 'to', 'variable.parameter.ztrain'],
    ['  split = "train\\n"', 'train', 'string.quoted.double.ztrain'],
    ['  split = "train\\n"', '\\n', 'constant.character.escape.ztrain'],
    ['  |> dense(10) as head', 'head', 'entity.name.label.ztrain'],
    ['  |> dense(10) as head', '|>', 'keyword.operator.ztrain'],
    ['  let y = not true', 'let', 'storage.type.ztrain'],
    ['  let y = not true', 'not', 'keyword.operator.word.ztrain'],
    ['  let y = not true', 'true', 'constant.language.ztrain'],
    ['  minimize mean(x)', 'minimize', 'keyword.other.ztrain'],
    ['  map row -> { image: row.image }', 'map', 'keyword.other.ztrain'],
    ['param lr: float = 1e-3 where lr > 0', '1e-3', 'constant.numeric.ztrain'],
    ['param lr: float = 1e-3 where lr > 0', 'where', 'keyword.control.ztrain'],
    ['  a = batch.data + model', 'data', 'source.ztrain'],
  ];
  expect(expected.map(([line, part]) => [line, part, scopeOf(line, part)])).toEqual(expected);
});
