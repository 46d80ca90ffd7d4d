/**
 * Sizes as the checker writes them (`"2 * h"`, `"floor((t + 1) / 2)"`), read back. After this: a size is a small tree
 * whose names are the spec's.
 */

export type SizeNode =
  | { readonly kind: 'number'; readonly value: number }
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'binary'; readonly op: string; readonly left: SizeNode; readonly right: SizeNode }
  | { readonly kind: 'call'; readonly fn: string; readonly args: readonly SizeNode[] };

const TOKEN = /\s*(?:([0-9]+)|([A-Za-z_][A-Za-z0-9_.]*)|(\*\*|[-+*/%(),]))/y;

/** Throws where the text is not arithmetic over names and whole numbers. */
export const parseSize = (text: string): SizeNode => {
  const tokens: string[] = [];
  TOKEN.lastIndex = 0;
  for (let at = 0; text.slice(at).trim() !== ''; at = TOKEN.lastIndex) {
    TOKEN.lastIndex = at;
    const match = TOKEN.exec(text);
    if (match === null) throw new Error(`not a size: ${JSON.stringify(text)}`);
    tokens.push((match[1] ?? match[2] ?? match[3] ?? '').trim());
  }
  let next = 0;
  const take = (): string => tokens[next++] ?? '';
  const expect = (token: string): void => {
    if (take() !== token) throw new Error(`not a size: ${JSON.stringify(text)}; \`${token}\` is missing`);
  };
  const primary = (): SizeNode => {
    const token = take();
    if (token === '(') {
      const inner = sum();
      expect(')');
      return inner;
    }
    if (token === '-') return { kind: 'binary', op: '-', left: { kind: 'number', value: 0 }, right: power() };
    if (/^[0-9]/.test(token)) return { kind: 'number', value: Number(token) };
    if (!/^[A-Za-z_]/.test(token)) throw new Error(`not a size: ${JSON.stringify(text)}`);
    if (tokens[next] !== '(') return { kind: 'name', name: token };
    next += 1;
    const args = [sum()];
    while (tokens[next] === ',') {
      next += 1;
      args.push(sum());
    }
    expect(')');
    return { kind: 'call', fn: token, args };
  };
  const power = (): SizeNode => {
    const left = primary();
    if (tokens[next] !== '**') return left;
    next += 1;
    return { kind: 'binary', op: '**', left, right: power() };
  };
  const chain = (operators: readonly string[], inner: () => SizeNode): SizeNode => {
    let left = inner();
    while (operators.includes(tokens[next] ?? ''))
      left = { kind: 'binary', op: take(), left, right: inner() };
    return left;
  };
  const product = (): SizeNode => chain(['*', '/', '%'], power);
  const sum = (): SizeNode => chain(['+', '-'], product);
  const size = sum();
  if (next < tokens.length) throw new Error(`not a size: ${JSON.stringify(text)}`);
  return size;
};
