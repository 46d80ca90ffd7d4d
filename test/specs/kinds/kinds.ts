/**
 * Fourteen kinds of training that people write specs for, each with a spec in this repository that says it whole at the size of a test. Those
 * that a shipped example or another test has already are not written again.
 *
 * So that two engines can be compared, no weight is decided by rounding alone: an offset in front of a norm has a gradient of nothing but noise,
 * which Adam and LAMB make as large as any, so layers there have none; and rates are small, as a network with batch norm doubles a difference
 * in a few steps.
 */
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openWorkplace, type Workplace } from '../run-spec.js';
import { writeMadeUpData } from './made-up-data.js';

export interface Kind {
  /** What a spec of this kind has. */
  readonly has: string;
  /** The spec, in the folder of tests of specs, or of `specs/`. */
  readonly spec: string;
  /** What makes its run short. */
  readonly words?: readonly string[];
}

const folder = fileURLToPath(new URL('..', import.meta.url));

export const kinds: Readonly<Record<string, Kind>> = {
  tabular: {
    has: 'a table with gaps, and figures that are measured first',
    spec: 'fixtures/houses.ztrain',
    words: ['train_set.batch=8', 'val_set.batch=4', 'trainer.epochs=3', 'trainer.log_every=2.steps'],
  },
  transfer: { has: 'weights of PyTorch, groups, layers that thaw', spec: 'kinds/flowers.ztrain' },
  'folds and sweeps': {
    has: 'folds, a sweep, an area under a curve, a ratio of totals',
    spec: 'kinds/spam.ztrain',
    words: ['--no-sweep'],
  },
  'WGAN-GP': {
    has: 'two optimizers, a gradient in a loss',
    spec: 'wgan-gp.ztrain',
    words: ['trainer.steps=12', 'trainer.epochs=none'],
  },
  tagger: { has: 'lists of any length, masks, an LSTM', spec: 'kinds/tagger.ztrain' },
  contrastive: {
    has: 'views at random, a moving average by a schedule, rows that meet',
    spec: 'kinds/contrast.ztrain',
  },
  ResNet: { has: 'blocks of another file, crops of bytes', spec: 'kinds/clothes.ztrain' },
  'U-Net': { has: 'arrays of NumPy, skips, conditions on sizes', spec: 'kinds/masks.ztrain' },
  VAE: { has: 'a schedule in a loss, draws in a step', spec: 'kinds/vae.ztrain' },
  'language model': {
    has: 'an extern source, grouped queries, tied weights, text that is written',
    spec: 'kinds/bytes.ztrain',
  },
  'several tasks': {
    has: 'pictures of a table, values that may be missing, two losses',
    spec: 'kinds/faces.ztrain',
  },
  'add-ons': { has: 'mixed rows, averaged weights, an extern add-on', spec: 'kinds/pets.ztrain' },
  PPO: {
    has: 'live data, turns over a harvest',
    spec: '../../specs/ppo.ztrain',
    words: ['trainer.steps=4', 'envs=4', 'horizon=32', 'trainer.log_every=1.steps'],
  },
  options: { has: 'the options of a trainer', spec: 'kinds/options.ztrain' },
};

/** The name that a kind's spec has in a workplace. */
export const nameOf = ({ spec }: Kind): string => spec.replace(/^.*\/|\.ztrain$/g, '');

/** A workplace with all of these specs, what they import, and their data. */
export function openKinds(): Workplace {
  const place = openWorkplace();
  for (const kind of Object.values(kinds))
    if (!kind.spec.startsWith('..'))
      cpSync(join(folder, kind.spec), join(place.folder, `${nameOf(kind)}.ztrain`));
  for (const file of ['residual.ztrain', 'notify.ts'])
    cpSync(join(folder, 'kinds', file), join(place.folder, file));
  writeMadeUpData(place.folder);
  return place;
}
