/** Shape rules of texts of rows, and of rows whose sizes differ. */
import { outOfLimits, wrongKind, wrongRank, wrongType } from '../parser/messages.gen.js';
import { asConstant, constant, showSize, symbol } from './dims/size.js';
import { ragged } from './host-map.js';
import type { DType } from './ir.js';
import { tensorArg, type Rule, type RuleCall } from './rules.js';
import { aType, showType, tensorType, type TextType } from './types.js';
import { constantOf } from './value.js';

const textArg = (call: RuleCall, param: string): TextType | null => {
  const found = call.args.get(param);
  return found?.type.kind === 'text' ? found.type : null;
};

/** `decode_image(file, channels)`: an image of the row's own size. */
export const decodeImage: Rule = (call) => {
  const { env, args, name, span } = call;
  const file = textArg(call, 'file');
  const channels = args.get('channels');
  if (!file || !channels) return null;
  if (file.of !== 'path' || file.shape.length > 0) {
    env.checker.report(
      wrongType(
        args.get('file')?.span ?? span,
        { what: `\`file\` of \`${name}\``, found: aType(file), expected: 'a path of a row' },
        file.shape.length > 0 ? {} : { help: 'declare its field as `path`' },
      ),
    );
    return null;
  }
  const count = channels.size ? asConstant(channels.size) : null;
  if (count !== 1 && count !== 3) {
    env.checker.report(
      outOfLimits(channels.span, {
        what: `\`channels\` of \`${name}\``,
        value: channels.size ? showSize(channels.size) : aType(channels.type),
        text: 'channels == 1 or channels == 3',
      }),
    );
    return null;
  }
  const own = (side: string) => symbol(ragged(env.place.unique(side)));
  return tensorType('u8', [own('image_height'), own('image_width'), constant(count)]);
};

/** `lookup(words, file)`: a number for each. */
export const lookupWords: Rule = (call) => {
  const words = textArg(call, 'words');
  if (!words) return null;
  if (words.of === 'string') return tensorType('i32', words.shape);
  call.env.checker.report(
    wrongType(call.args.get('words')?.span ?? call.span, {
      what: '`words` of `lookup`',
      found: aType(words),
      expected: 'a string of a row, or a list of them',
    }),
  );
  return null;
};

/** `utf8(tokens)`: a text for each row, of numbers that a step has computed. */
export const utf8: Rule = (call) => {
  const { env, span, name } = call;
  const x = tensorArg(call, 'tokens');
  if (!x) return null;
  const at = call.args.get('tokens')?.span ?? span;
  if (env.place.kind !== 'step') {
    env.checker.report(
      wrongKind(
        span,
        { name, found: 'a text of what a step has computed', expected: 'a value' },
        { help: 'write it into the `return` of a validate, test or predict step' },
      ),
    );
    return null;
  }
  if (x.dtype !== 'i32' || x.shape.length !== 2) {
    env.checker.report(
      x.dtype === 'i32'
        ? wrongRank(at, {
            what: `\`tokens\` of \`${name}\``,
            found: `${x.shape.length} (${showType(x)})`,
            expected: '2',
          })
        : wrongType(at, {
            what: `\`tokens\` of \`${name}\``,
            found: aType(x),
            expected: 'bytes as i32[n, t]',
          }),
    );
    return null;
  }
  return { kind: 'text', of: 'string', shape: x.shape.slice(0, 1) };
};

/** Whether elements hold a number as it is. */
const fits = (dtype: DType, number: number): boolean =>
  dtype === 'f32' ||
  (Number.isInteger(number) && (dtype === 'i32' || (number >= 0 && number <= (dtype === 'u8' ? 255 : 1))));

/** `pad(x, to = N)`: the first axis of a row brought to one size, on the host. */
export const padTo: Rule = (call) => {
  const { env, args, name } = call;
  const x = tensorArg(call, 'x');
  const to = args.get('to');
  if (!x || !to) return null;
  const [first, ...inner] = x.shape;
  if (!first) {
    env.checker.report(
      wrongRank(args.get('x')?.span ?? call.span, {
        what: `\`x\` of \`${name}\``,
        found: '0',
        expected: '1 or more',
      }),
    );
    return null;
  }
  const given = args.get('value');
  const number = given ? constantOf(given) : 0;
  if (typeof number === 'number' && !fits(x.dtype, number)) {
    env.checker.report(
      wrongType(given?.span ?? call.span, {
        what: `\`value\` of \`${name}\``,
        found: String(number),
        expected: `a value that ${x.dtype} holds`,
      }),
    );
    return null;
  }
  const end = x.below ? asConstant(x.below) : null;
  const isClass = typeof number === 'number' && end !== null && number >= 0 && number < end;
  return tensorType(x.dtype, [to.size ?? first, ...inner], isClass ? x.below : null);
};
