/** Writes a grid of images as a PNG file every so often. */
import { writeFile } from 'node:fs/promises';
import { makeFolder } from '../../values/folders.js';
import { join } from 'node:path';
import { PNG } from 'pngjs';
import type { HostTensor } from '../engine/engine.js';
import type { Tensor3D, Tensor4D } from '../tensor.js';
import { recurrence } from '../../values/durations.js';
import { epochs, type Quantity } from '../../values/units.js';
import type { AddOn } from './addon.js';
import { mapped, type Computed } from './over.js';

export interface ImageGridOptions {
  /** Folder in `images`, where a run has several grids. */
  readonly label?: string;
  /**
   * Makes the images, [count, height, width, channels] of 1, 3 or 4 channels, or [count, height, width] of one. Runs in evaluation mode.
   */
  readonly of: Computed<Tensor4D | Tensor3D>;
  readonly every?: Quantity<'epochs'> | Quantity<'steps'>;
  /** The value that is black. */
  readonly low?: number;
  /** The value that is white. */
  readonly high?: number;
}

/** Writes `images/step-N.png`, or `images/label/step-N.png`, to the run's folder; nothing where a run has none. */
export function imageGrid(options: ImageGridOptions): AddOn {
  const { label, of, every = epochs(1), low = -1, high = 1 } = options;
  return {
    kind: 'image_grid',
    label,
    phase: 'independent',
    owns: [],
    withOptions: () => imageGrid(options),
    ...(typeof of === 'function' ? {} : { reads: of.reads }),
    start: (host) => {
      const due = recurrence(every, host.pace);
      const body = mapped(of, (images) => [images]);
      return {
        nextStepEnd: (step) => due.next(step),
        stepEnd: async (at) => {
          if (host.folder === null || !due.due(at.step, at.seconds)) return undefined;
          const [images] = await host.evaluate(label ?? 'image_grid', body);
          if (images === undefined) return undefined;
          const folder = join(host.folder, 'images', label ?? '');
          makeFolder(folder);
          await writeFile(
            join(folder, `step-${String(at.step).padStart(8, '0')}.png`),
            gridPng(images, low, high),
          );
          return undefined;
        },
      };
    },
  };
}

/** A PNG of images side by side, as square as it gets, with one pixel between. Values from `low` to `high`. */
export function gridPng({ shape, values }: HostTensor, low: number, high: number): Buffer {
  const [count = 0, height = 0, width = 0, channels = 1] = shape;
  if (shape.length < 3 || shape.length > 4 || ![1, 3, 4].includes(channels)) {
    throw new Error(`image_grid takes images [n, h, w] or [n, h, w, 1, 3 or 4], got [${shape.join(', ')}]`);
  }
  const columns = Math.ceil(Math.sqrt(count));
  const lines = Math.ceil(count / columns);
  const png = new PNG({ width: columns * (width + 1) - 1, height: lines * (height + 1) - 1 });
  png.data.fill(255);
  for (let image = 0; image < count; image += 1) {
    const left = (image % columns) * (width + 1);
    const top = Math.floor(image / columns) * (height + 1);
    for (let pixel = 0; pixel < height * width; pixel += 1) {
      const from = (image * height * width + pixel) * channels;
      const to = ((top + Math.floor(pixel / width)) * png.width + left + (pixel % width)) * 4;
      for (let channel = 0; channel < 4; channel += 1) {
        const source = channels === 1 && channel < 3 ? 0 : channel;
        if (source >= channels) continue;
        const level = ((values[from + source] ?? low) - low) / (high - low);
        png.data[to + channel] = Math.round(255 * Math.min(1, Math.max(0, level)));
      }
    }
  }
  return PNG.sync.write(png);
}
