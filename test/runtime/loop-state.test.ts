/** What `state.json` says of where the loop is, as versions before wrote it. */
import { expect, test } from 'vitest';
import { loopStateOf } from '../../src/runtime/trainer/loop-state.js';

const at = (left: string | null, updated: readonly string[] | null): unknown =>
  loopStateOf({
    step: 3,
    seconds: 1,
    loop: { rows: 12, train: {}, measured: {}, newest: {}, windowsInEpoch: 0, left, updated },
  });

test('updates that add-ons were told of while the step was measured are told of before that', () => {
  expect(at('measure', ['opt'])).toMatchObject({ left: 'update', updated: ['opt'] });
});

test.each([
  ['measure', []],
  ['measure', null],
  ['validate', ['opt']],
  ['update', ['opt']],
  [null, null],
] as const)('with %s and %j the step goes on where it says', (left, updated) => {
  expect(at(left, updated)).toMatchObject({ left, updated });
});
