/** Fashion-MNIST (Zalando Research, https://github.com/zalandoresearch/fashion-mnist, MIT), from its IDX files. */
import type { Tensor1D, Tensor4D } from '@tensorflow/tfjs-core';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { dataOf, type CommonOptions, type Data } from './data.js';
import { resolvePath, writtenPath, type DataPath, type FileHost } from './files.js';
import { openIdx } from './idx.js';
import type { RecordType } from './record.js';

/** Where Debian's package puts the files. */
const packaged = '/usr/share/datasets/fashion-mnist';

const record: RecordType = {
  image: { dtype: 'u8', shape: [28, 28, 1] },
  label: { dtype: 'i32', shape: [] },
};

export interface FashionMnistOptions extends CommonOptions {
  readonly split?: 'train' | 'test';
  /** Folder of the four IDX files (plain or .gz), relative to the data root; where Debian puts them unless given. */
  readonly root?: string | DataPath | null;
}

/** Fashion-MNIST: 28×28 images of clothing in ten classes, values 0 to 255; 60,000 for training, 10,000 for testing. */
export function fashionMnist({ split = 'train', root = null, ...common }: FashionMnistOptions = {}): Data<{
  readonly image: Tensor4D;
  readonly label: Tensor1D;
}> {
  const folder = root === null ? packaged : writtenPath(root);
  const advice =
    root === null
      ? 'install it with `apt-get install dataset-fashion-mnist`, or name the folder of the IDX files with root = "…"'
      : `the folder must hold ${fileOf(split, 'images')}.gz and ${fileOf(split, 'labels')}.gz`;
  const source = {
    name: `fashion_mnist ${split}`,
    record,
    key: JSON.stringify(['fashion_mnist', split, folder]),
    open: (host: FileHost) => {
      const file = (kind: 'images' | 'labels'): string => {
        const plain = path.join(folder, fileOf(split, kind));
        return existsSync(resolvePath(host.root, plain)) ? plain : `${plain}.gz`;
      };
      return openIdx(host, file('images'), file('labels'), record, advice);
    },
  };
  return dataOf(source, common);
}

function fileOf(split: 'train' | 'test', kind: 'images' | 'labels'): string {
  return `${split === 'train' ? 'train' : 't10k'}-${kind === 'images' ? 'images-idx3' : 'labels-idx1'}-ubyte`;
}
