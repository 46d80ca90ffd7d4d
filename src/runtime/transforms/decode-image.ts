/** Pictures that rows name. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { BadValue } from '../data/data-error.js';
import { errorCode } from '../data/files.js';
import type { HostTexts } from '../data/texts.js';
import { decodePicture } from './decode.js';
import type { Image } from './image.js';

/**
 * The image u8[height, width, channels] of a PNG or JPEG file; grey is 0.299 red + 0.587 green + 0.114 blue, alpha is left out. A file that
 * cannot be read makes its row bad.
 */
export function decodeImage(file: HostTexts, { channels }: { readonly channels: 1 | 3 }): Image {
  const [written] = file.values;
  if (written === undefined || file.shape.length > 0) throw new Error('decode_image takes one path');
  const full = path.resolve(file.folder ?? '', written);
  try {
    return decodePicture(readFileSync(full), channels);
  } catch (error) {
    const reason =
      errorCode(error) === 'ENOENT'
        ? `there is no such file; looked for ${full}`
        : error instanceof Error
          ? error.message
          : String(error);
    throw new BadValue(
      `the picture ${written} cannot be read (${reason})`,
      'correct the path, or replace the picture',
      file.column,
    );
  }
}
