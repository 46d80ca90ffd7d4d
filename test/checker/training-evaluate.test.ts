/** Host expressions as numbers. */
import { describe, expect, test } from 'vitest';
import { evaluateIr, type HostValue } from '../../src/checker/evaluate.js';
import type { IrExpr, IrExprKind } from '../../src/checker/ir.js';

const of = (kind: IrExprKind): IrExpr => ({
  ...kind,
  span: { file: 0, start: 0, end: 0 },
  type: { kind: 'float' },
});
const lit = (value: HostValue): IrExpr => of({ kind: 'literal', value });
const param = (name: string): IrExpr => of({ kind: 'ref', ref: { kind: 'param', name } });
const constant = (name: string): IrExpr => of({ kind: 'ref', ref: { kind: 'const', name } });
const host = (op: string, ...args: readonly HostValue[]): IrExpr =>
  of({ kind: 'host', op, args: args.map(lit) });
const call = (fn: string, ...args: readonly HostValue[]): IrExpr =>
  of({ kind: 'hostCall', fn, args: args.map(lit) });
const none = new Map<string, HostValue>();

describe('evaluateIr', () => {
  test.each([
    [host('+', 2, 3), 5],
    [host('-', 2, 3), -1],
    [host('*', 2, 3), 6],
    [host('/', 3, 2), 1.5],
    [host('%', 7, 4), 3],
    [host('**', 2, 10), 1024],
    [host('<', 2, 3), true],
    [host('>=', 2, 3), false],
    [host('==', 'a', 'a'), true],
    [host('!=', 1, 2), true],
    [host('and', true, false), false],
    [host('or', true, false), true],
    [call('not', true), false],
    [call('neg', 2), -2],
    [call('floor', 2.7), 2],
    [call('ceil', 2.1), 3],
    [call('round', 2.5), 2],
    [call('round', 3.5), 4],
    [call('round', -2.5), -2],
    [call('min', 2, 1), 1],
    [call('max', 2, 1), 2],
    [call('clamp', 5, 0, 3), 3],
    [call('sqrt', 9), 3],
    [of({ kind: 'quantity', unit: 'epochs', value: host('*', 2, 3) }), 6],
    [of({ kind: 'choose', test: host('<', 1, 2), then: lit('yes'), else: lit('no') }), 'yes'],
    [of({ kind: 'element', of: of({ kind: 'items', items: [lit(4), lit(5)] }), index: lit(1) }), 5],
    [lit(null), null],
  ])('case %#', (expr, expected) => {
    expect(evaluateIr(expr, none)).toBe(expected);
  });
  test.each([
    [param('unknown')],
    [constant('unknown')],
    [of({ kind: 'rest' })],
    [of({ kind: 'batchSize', batch: 'batch' })],
    [of({ kind: 'ref', ref: { kind: 'schedule', name: 'warm' } })],
    [host('/', 1, 0)],
    [host('+', 1, 'a')],
    [call('sqrt', -1)],
    [call('no_such_function', 1)],
    [of({ kind: 'element', of: of({ kind: 'items', items: [] }), index: lit(0) })],
    [of({ kind: 'choose', test: param('unknown'), then: lit(1), else: lit(1) })],
  ])('what is not known is undefined: case %#', (expr) => {
    expect(evaluateIr(expr, none)).toBeUndefined();
  });
  test('one side alone may decide', () => {
    const half = (op: string, known: boolean): IrExpr =>
      of({ kind: 'host', op, args: [param('unknown'), lit(known)] });
    expect(evaluateIr(half('and', false), none)).toBe(false);
    expect(evaluateIr(half('or', true), none)).toBe(true);
    expect(evaluateIr(half('and', true), none)).toBeUndefined();
  });
  test('params and constants, which may use each other', () => {
    const consts = new Map([
      ['twice', of({ kind: 'host', op: '*', args: [param('lr'), lit(2)] })],
      ['again', constant('twice')],
      ['circle', constant('circle')],
    ]);
    const names = { params: new Map([['lr', 0.5]]), consts };
    expect(evaluateIr(constant('again'), names)).toBe(1);
    expect(evaluateIr(constant('circle'), names)).toBeUndefined();
  });
});
