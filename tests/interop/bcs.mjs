// BCS, as much of it as the protocol uses: little-endian integers, ULEB128 counts. Every read is bounded
// by the bytes that are there.

export class Reader {
  constructor(bytes) { this.bytes = bytes; this.at = 0; }
  take(count) {
    if (count > this.bytes.length - this.at) throw new Error(`message ends at byte ${this.bytes.length}`);
    return this.bytes.subarray(this.at, (this.at += count));
  }
  view(count) { const part = this.take(count); return new DataView(part.buffer, part.byteOffset, count); }
  u8() { return this.take(1)[0]; }
  u16() { return this.view(2).getUint16(0, true); }
  u32() { return this.view(4).getUint32(0, true); }
  u64() { return this.view(8).getBigUint64(0, true); }
  count() {
    let value = 0;
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.u8();
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    throw new Error('a count of more than 4 bytes');
  }
  list(item) { return Array.from({ length: this.count() }, () => item(this)); }
  option(value) { return this.u8() === 0 ? null : value(this); }
  text() { return this.take(this.count()); }
  end() { if (this.at !== this.bytes.length) throw new Error('bytes after the message'); }
}

const integer = (size, set) => (value) => {
  const bytes = new Uint8Array(size);
  set.call(new DataView(bytes.buffer), 0, value, true);
  return bytes;
};
export const u8 = (value) => Uint8Array.of(value);
export const u16 = integer(2, DataView.prototype.setUint16);
export const u32 = integer(4, DataView.prototype.setUint32);
export const u64 = integer(8, DataView.prototype.setBigUint64);
export const count = (value) => {
  const bytes = [];
  for (; value >= 0x80; value >>>= 7) bytes.push((value & 0x7f) | 0x80);
  return Uint8Array.of(...bytes, value);
};
export const list = (items) => join(count(items.length), ...items);
export const text = (bytes) => join(count(bytes.length), bytes);
export const join = (...parts) => new Uint8Array(Buffer.concat(parts));
export const same = (a, b) => Buffer.compare(a, b) === 0;
