/** Sizes as code: `2 * h` becomes host arithmetic over what `h` is at this place. */
import type { Span } from '../parser/source.js';
import { showSize, type Size } from './dims/size.js';
import type { Place } from './env.js';
import type { IrExpr, IrExprKind } from './ir.js';

/** Reads what `showSize` writes: `+ - * / % **`, `floor ceil min max`, whole numbers and symbols. */
export const sizeCode = (size: Size, place: Place, span: Span): IrExpr => {
  const tokens = showSize(size).match(/[A-Za-z_][\w.]*|\d+|\*\*|[-+*/%(),?]/g) ?? [];
  let at = 0;
  const make = (kind: IrExprKind, float = false): IrExpr => ({
    ...kind,
    span,
    type: { kind: float ? 'float' : 'int' },
  });
  const eat = (text: string): boolean => {
    if (tokens[at] !== text) return false;
    at += 1;
    return true;
  };
  const primary = (): IrExpr => {
    const token = tokens[at] ?? '0';
    at += 1;
    if (/^\d/.test(token)) return make({ kind: 'literal', value: Number(token) });
    if (token === '(') {
      const inner = sum();
      eat(')');
      return inner;
    }
    if (token === '-') return make({ kind: 'hostCall', fn: 'neg', args: [power()] });
    if (eat('(')) {
      const args = [sum()];
      while (eat(',')) args.push(sum());
      eat(')');
      return make({ kind: 'hostCall', fn: token, args });
    }
    return make(place.symbols.get(token) ?? { kind: 'ref', ref: { kind: 'dim', name: token } });
  };
  const power = (): IrExpr => {
    const base = primary();
    return eat('**') ? make({ kind: 'host', op: '**', args: [base, power()] }) : base;
  };
  const product = (): IrExpr => {
    let left = power();
    for (;;) {
      const op = tokens[at];
      if (op !== '*' && op !== '/' && op !== '%') return left;
      at += 1;
      left = make({ kind: 'host', op, args: [left, power()] });
    }
  };
  const sum = (): IrExpr => {
    let left = product();
    for (;;) {
      const op = tokens[at];
      if (op !== '+' && op !== '-') return left;
      at += 1;
      left = make({ kind: 'host', op, args: [left, product()] });
    }
  };
  return sum();
};
