/** Pictures of two classes, of several sizes, as PNG and JPEG files whose bytes all differ. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import jpeg from 'jpeg-js';
import { PNG } from 'pngjs';

/** Writes `count` of each class (`cats`, `dogs`) into folders of `root`. */
export function writePictures(root: string, count: number): void {
  for (const [label, name] of ['cats', 'dogs'].entries()) {
    mkdirSync(join(root, name), { recursive: true });
    for (let number = 0; number < count; number += 1) {
      const [width, height] = [9 + (number % 4), 9 + ((number * 3) % 5)];
      const data = Buffer.alloc(width * height * 4);
      for (let at = 0; at < data.length; at += 1) data[at] = (at * 7 + number * 31 + label * 90) % 256;
      const picture = { width, height, data };
      const file = join(root, name, String(number));
      if (number % 2 === 0) writeFileSync(`${file}.jpg`, jpeg.encode(picture, 90).data);
      else writeFileSync(`${file}.png`, PNG.sync.write(Object.assign(new PNG(picture), { data })));
    }
  }
}
