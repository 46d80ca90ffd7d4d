/** Memory of batches that worker threads write: what a step is done with is written anew, so that no more is taken than is in use. */
import type { HostTensor } from '../engine/engine.js';
import { roomFor, sharedRoom } from './prepared.js';
import type { RecordType } from './record.js';

/** The tensors of a batch, and what gives their memory back. */
export interface Room {
  readonly tensors: readonly HostTensor[];
  readonly release?: () => void;
}

export class SharedRooms {
  readonly #free: (readonly SharedArrayBuffer[])[] = [];

  constructor(
    private readonly record: RecordType,
    private readonly batch: number,
  ) {}

  /** Room for any number of rows. Its memory is not used again. */
  own(rows: number): readonly HostTensor[] {
    return roomFor(this.record, rows, sharedRoom(this.record, rows));
  }

  /** Room for a batch of up to `batch` rows. One that is not given back is left to the garbage collector. */
  take(rows: number): Required<Room> {
    const memory = this.#free.pop() ?? sharedRoom(this.record, this.batch);
    let isOut = true;
    return {
      tensors: roomFor(this.record, rows, memory),
      release: () => {
        if (isOut) this.#free.push(memory);
        isOut = false;
      },
    };
  }
}
