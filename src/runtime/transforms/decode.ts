/** PNG and JPEG files to images of bytes. */
import jpeg from 'jpeg-js';
import { PNG } from 'pngjs';
import { imageOf, type Image } from './image.js';

/** No picture of a data set is larger; a damaged header may say so, and the memory would be taken. */
const most = { megapixels: 200, megabytes: 2048 };

const pngStart = Uint8Array.of(0x89, 0x50, 0x4e, 0x47);

interface Pixels {
  readonly width: number;
  readonly height: number;
  /** Red, green, blue and alpha of each pixel. */
  readonly data: Uint8Array;
}

/** The pixels of a file's bytes, as they lie in it: a rotation that a camera notes beside them is not applied. Throws where it is no PNG or JPEG. */
function pixelsOf(bytes: Uint8Array): Pixels {
  if (bytes.length === 0) throw new Error('the file is empty');
  if (pngStart.every((byte, at) => bytes[at] === byte)) {
    const { width, height } = pngSizes(bytes);
    if (width * height > most.megapixels * 1e6)
      throw new Error(`the picture has ${width}×${height} pixels, more than ${most.megapixels} million`);
    return byDecoder('PNG', () =>
      PNG.sync.read(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)),
    );
  }
  if (bytes[0] === 0xff && bytes[1] === 0xd8)
    return byDecoder('JPEG', () =>
      jpeg.decode(bytes, {
        useTArray: true,
        tolerantDecoding: false,
        maxResolutionInMP: most.megapixels,
        maxMemoryUsageInMB: most.megabytes,
      }),
    );
  throw new Error('the file is no PNG and no JPEG');
}

/** What a library decodes. Its words for what is wrong are for those who know the format, and stand behind ours. */
function byDecoder(kind: 'PNG' | 'JPEG', decode: () => Pixels): Pixels {
  try {
    return decode();
  } catch (error) {
    const own = (error instanceof Error ? error.message : String(error)).trim();
    if (own.startsWith('maxResolutionInMP limit exceeded'))
      throw new Error(`the picture has more than ${most.megapixels} million pixels`);
    if (own.startsWith('maxMemoryUsageInMB limit exceeded'))
      throw new Error(`to decode the picture takes more than ${most.megabytes} MB`);
    throw new Error(
      `the ${kind} data is damaged, cut short or of a kind that is not read: its decoder says ${JSON.stringify(own)}`,
      { cause: error },
    );
  }
}

function pngSizes(bytes: Uint8Array): { readonly width: number; readonly height: number } {
  if (bytes.length < 24) throw new Error('the file is cut short');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return { width: view.getUint32(16), height: view.getUint32(20) };
}

/** How many channels a picture is decoded to: grey, colours, colours with alpha. */
export type Channels = 1 | 3 | 4;

/**
 * The image u8[height, width, channels] of a PNG or JPEG file's bytes. Grey is 0.299 red + 0.587 green + 0.114 blue, rounded; alpha is
 * left out of 1 and 3 channels. Throws with what is wrong.
 */
export function decodePicture(bytes: Uint8Array, channels: Channels): Image {
  const { width, height, data } = pixelsOf(bytes);
  const values = new Uint8Array(width * height * channels);
  for (let pixel = 0; pixel < width * height; pixel += 1) {
    const at = 4 * pixel;
    if (channels === 1) {
      const [red = 0, green = 0, blue = 0] = data.subarray(at, at + 3);
      values[pixel] = Math.round(0.299 * red + 0.587 * green + 0.114 * blue);
      continue;
    }
    for (let channel = 0; channel < channels; channel += 1)
      values[pixel * channels + channel] = data[at + channel] ?? 0;
  }
  return imageOf('u8', [height, width, channels], values);
}
