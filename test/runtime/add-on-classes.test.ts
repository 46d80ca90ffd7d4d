/** `Trainer.addOn`: a class with more add-ons, typed as what it was made of. */
import { describe, expect, test } from 'vitest';
import {
  earlyStopping,
  max,
  min,
  type AddOn,
  type Hooks,
  type Phase,
} from '../../src/runtime/addons/index.js';
import { LineTrainer, setup } from './tiny-trainer.js';

const quiet = { isTTY: false, columns: 80, write: () => true };

function addOn(
  kind: string,
  told: string[],
  owns: readonly string[] = [],
  phase: Phase = 'independent',
): AddOn {
  const hooks: Hooks = { fitStart: () => void told.push(kind) };
  const made: AddOn = { kind, phase, owns, withOptions: () => made, start: () => hooks };
  return made;
}

class Own extends LineTrainer {
  static told: string[] = [];
  protected override configureAddOns() {
    return [addOn('own', Own.told, ['own'])];
  }
  twice(): number {
    return 2 * this.params.lr;
  }
}

describe('Trainer.addOn', () => {
  test('gives a class of the same type, which runs its own and the others, in order', async () => {
    const told: string[] = [];
    Own.told = told;
    const Made = Own.addOn(addOn('a', told), addOn('core', told, [], 'core')).addOn(addOn('b', told));
    expect(Made.name).toBe('Own');
    const trainer = new Made(setup({ lr: 0.25 }, { epochs: 1 }));
    // A method of the class, without a cast: the type is that of `Own`.
    expect(trainer.twice()).toBe(0.5);
    expect(trainer).toBeInstanceOf(Own);
    await trainer.fit({ runDir: null, stream: quiet });
    expect(told).toEqual(['core', 'own', 'a', 'b']);
  });

  test('leaves the class as it was', async () => {
    const told: string[] = [];
    Own.told = told;
    Own.addOn(addOn('a', told));
    await new Own(setup({}, { epochs: 1 })).fit({ runDir: null, stream: quiet });
    expect(told).toEqual(['own']);
  });

  test('can be extended, as a class is', async () => {
    const told: string[] = [];
    Own.told = told;
    class Mine extends Own.addOn(addOn('a', told)) {
      override twice(): number {
        return 2 * super.twice();
      }
    }
    const trainer = new Mine(setup({ lr: 1 }, { epochs: 1 }));
    expect(trainer.twice()).toBe(4);
    await trainer.fit({ runDir: null, stream: quiet });
    expect(told).toEqual(['own', 'a']);
  });

  test('two that own the same effect are refused when a trainer is made, by their names', () => {
    const stopping = earlyStopping({ monitor: min('validate.loss') });
    const twice = LineTrainer.addOn(stopping, earlyStopping({ monitor: max('validate.rmse') }));
    expect(() => new twice()).toThrow('add-ons early_stopping and early_stopping both own "stop"');
    const own = Own.addOn(addOn('other', [], ['own']));
    expect(() => new own()).toThrow('add-ons own and other both own "own"; keep one of them');
    const later = Own.addOn(addOn('a', [], ['x'])).addOn(addOn('b', [], ['x']));
    expect(() => new later()).toThrow('add-ons a and b both own "x"');
  });
});
