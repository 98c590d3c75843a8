/**
 * slime's saved rollouts, written by slime's own code (scripts/fixtures/slime_dump.py), and saved objects that are not
 * rollouts.
 */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import { readGroups as read } from '../../test/read-groups.js';
import { fileSource } from '../input/files.js';
import { readTorch } from '../input/index.js';

const FIXTURE = join(import.meta.dirname, '../../test/readers/fixtures/slime');
const folder = mkdtempSync(join(tmpdir(), 'slime-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe('a run of slime', () => {
  it('has its rollouts with exact tokens, masks, log-probabilities and versions; what else is saved is passed over', async () => {
    const { groups, notes } = await read(FIXTURE);
    expect(notes).toEqual([]);
    expect(
      groups.map(({ id, step, tokens, groups: by, source }) => [
        id,
        step,
        tokens,
        by,
        source?.format,
        source?.line,
      ]),
    ).toEqual([
      ['0', 3, 'exact', 'explicit', 'slime', 1],
      ['1', 3, 'exact', 'explicit', 'slime', 3],
    ]);
    const [text, chat] = groups;
    expect([[...text.prompt.tokens], text.prompt.text]).toEqual([[1, 2, 3], 'add 0']);
    expect(chat.prompt.text).toBe('user\nadd 1\n');
    expect(
      text.completions.map(({ tokens, mask, logprobs, reward, stop, text: completionText, versions }) => [
        [...tokens],
        [...mask!],
        [...logprobs!],
        reward,
        stop,
        completionText,
        versions,
      ]),
    ).toEqual([
      [[7, 8, 20, 21, 40], [1, 1, 0, 0, 1], [-0.5, -0.25, 0, 0, -0.125], 1, undefined, 'look 0', [3]],
      [[7, 8, 20, 21, 41], [1, 1, 0, 0, 1], [-0.5, -0.25, 0, 0, -0.25], 0, 'length', 'look 1', [3, 4]],
    ]);
    // A tensor of log-probabilities, a reward by name, and a sample that is not trained on.
    expect(
      chat.completions.map(({ mask, logprobs, reward, rewards }) => [
        [...mask!],
        [...logprobs!],
        reward,
        rewards,
      ]),
    ).toEqual([
      [[1, 1, 0, 0, 1], [-0.5, -0.25, 0, 0, -0.125], 1, { score: 1 }],
      [[0, 0, 0, 0, 0], [-0.5, -0.25, 0, 0, -0.25], 0, { score: 0 }],
    ]);
  });

  it('an evaluation is read when it is named itself', async () => {
    expect(
      (await read(join(FIXTURE, 'rollout_data/eval_3.pt'))).groups.map(
        ({ completions }) => completions.length,
      ),
    ).toEqual([1]);
  });

  it('training data is no log', async () => {
    await expect(read(join(FIXTURE, 'train_data/3.pt'))).rejects.toThrow(
      /3\.pt: expected the rollouts of slime \(a dictionary with samples\), got another saved object/,
    );
  });

  it.each([0.1, 0.5, 0.9, 0.999])('cut at %f of its length it is one clear error', async (share) => {
    const whole = readFileSync(join(FIXTURE, 'rollout_data/3.pt'));
    const file = join(folder, `${share}.pt`);
    writeFileSync(file, whole.subarray(0, Math.floor(whole.length * share)));
    await expect(read(file)).rejects.toThrow(
      /expected a whole zip archive \(as torch\.save writes\), got one that is cut short or broken/,
    );
    mkdirSync(join(folder, `two${share}`));
    cpSync(join(FIXTURE, 'rollout_data/3.pt'), join(folder, `two${share}`, '1.pt'));
    cpSync(file, join(folder, `two${share}`, '2.pt'));
    expect((await read(join(folder, `two${share}`), { skipBad: true })).groups).toHaveLength(2);
  });
});

/** An archive of one pickle, in the form that torch.save writes. */
function saved(name: string, pickle: Buffer): string {
  const member = 'archive/data.pkl';
  const local = Buffer.alloc(30);
  local.writeUInt32LE(0x04034b50, 0);
  local.writeUInt16LE(member.length, 26);
  const entry = Buffer.alloc(46);
  entry.writeUInt32LE(0x02014b50, 0);
  entry.writeUInt32LE(crc32(pickle), 16);
  entry.writeUInt32LE(pickle.length, 20);
  entry.writeUInt32LE(pickle.length, 24);
  entry.writeUInt16LE(member.length, 28);
  const from = local.length + member.length + pickle.length;
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(1, 10);
  end.writeUInt32LE(entry.length + member.length, 12);
  end.writeUInt32LE(from, 16);
  const path = join(folder, name);
  writeFileSync(path, Buffer.concat([local, Buffer.from(member), pickle, entry, Buffer.from(member), end]));
  return path;
}
const pickled = (...parts: (string | number[])[]) =>
  Buffer.concat([
    Buffer.from([0x80, 2]),
    ...parts.map((part) => (typeof part === 'string' ? Buffer.from(part, 'latin1') : Buffer.from(part))),
  ]);

describe('a pickle', () => {
  it('that would run a program runs nothing: what it makes is null', async () => {
    // os.system('touch …'), in the usual form of an attack.
    const touched = join(folder, 'touched');
    const command = `touch ${touched}`;
    const length = Buffer.alloc(4);
    length.writeUInt32LE(command.length);
    const file = saved('evil.pt', pickled('cposix\nsystem\n', 'X', [...length], command, [0x85], 'R.'));
    expect(await readTorch(fileSource(file))).toBeNull();
    await expect(read(file)).rejects.toThrow(/expected the rollouts of slime/);
    expect(() => readFileSync(touched)).toThrow();
  });

  it('has numbers of every width, negative ones, fractions, texts and shared lists', async () => {
    const file = saved(
      'values.pt',
      pickled(
        '](K',
        [7],
        'M',
        [0, 1],
        'J',
        [254, 255, 255, 255],
        [0x8a, 2, 0, 255],
        'G',
        [0x3f, 0xf8, 0, 0, 0, 0, 0, 0],
        'N',
        [0x88, 0x89],
        ']q',
        [0],
        'h',
        [0],
        'X',
        [2, 0, 0, 0],
        'é'.split('').flatMap((c) => [...Buffer.from(c)]),
        'e.',
      ),
    );
    expect(await readTorch(fileSource(file))).toEqual([
      7,
      256,
      -2,
      -256,
      1.5,
      null,
      true,
      false,
      [],
      [],
      'é',
    ]);
  });

  it.each([
    ['a list within itself', pickled(']q', [0], 'h', [0], 'a.'), 'a value that contains itself'],
    ['an end too early', pickled('X', [200, 0, 0, 0], 'short'), 'the end of the data'],
    ['an unknown operation', pickled([0xff]), 'operation 0xff'],
    ['nothing on the stack', pickled('.'), 'an empty stack'],
    ['no mark', pickled(']e.'), 'no mark'],
    ['a text beyond the limits', pickled('X', [255, 255, 255, 127], 'x'), 'a string of 2147483647 bytes'],
  ])('with %s is one clear error', async (name, pickle, description) => {
    const file = saved(`${name}.pt`, pickle);
    await expect(readTorch(fileSource(file))).rejects.toThrow(
      `expected a pickle of plain values, got ${description} at byte`,
    );
  });
});
