// Renders one emoji set to PNG RGBA 128x128 and writes its part of the manifest. Called by data.py, one process per set:
//   node render.mjs OUT STYLE [LIMIT]
// Class names are the sub-groups of Unicode's emoji list (as emojibase-data gives them), a few merged: see CLASS.
// Symbols and flags are left out (text-like), families too (tiny figures); skin-tone variants are left out (README.md).
import fs from 'fs';
import { createRequire } from 'module';

const [OUT, style, limit] = process.argv.slice(2);
const require = createRequire(process.cwd() + '/');
const sharp = require('sharp');
const S = 128;
const json = (p) => JSON.parse(fs.readFileSync(`node_modules/${p}`, 'utf8'));
sharp.concurrency(1);

const STYLES = {
  'fluent-color': ['fluent-emoji', 'MIT'],
  'fluent-flat': ['fluent-emoji-flat', 'MIT'],
  noto: ['noto', 'Apache-2.0'],
  'noto-v1': ['noto-v1', 'Apache-2.0'],
  twemoji: ['twemoji', 'CC-BY-4.0'],
};
const CLASS = {
  'face-smiling': 'face-happy', 'face-affection': 'face-happy', 'face-tongue': 'face-happy', 'face-hat': 'face-happy',
  'face-glasses': 'face-happy', 'face-neutral-skeptical': 'face-neutral', 'face-sleepy': 'face-neutral',
  'face-hand': 'face-neutral', 'face-concerned': 'face-sad', 'face-unwell': 'face-sad', 'face-negative': 'face-sad',
  'cat-face': 'cat-monkey-face', 'monkey-face': 'cat-monkey-face', 'hand-fingers-open': 'hand-open',
  'hand-fingers-partial': 'hand-sign', 'hand-single-finger': 'hand-point', 'hand-fingers-closed': 'hand-fist',
  'hand-prop': 'hands', 'person-resting': 'person-activity', 'animal-amphibian': 'animal-reptile',
  'place-map': 'place-geographic', 'place-religious': 'place-building', hotel: 'household', 'award-medal': 'sport',
  sound: 'music', phone: 'computer', lock: 'tool', science: 'medical', writing: 'office',
  family: null, 'person-symbol': null,
};
const DROPPED = new Set(['symbols', 'component', 'none', 'flags']);

const hexKey = (s) => s.toLowerCase().split('-').filter((x) => x !== 'fe0f').join('-');
const slug = (s) =>
  s.toLowerCase().normalize('NFD').replace(/[\u0300-\u036f]/g, '').replace(/[’'“”"!.,()]/g, '').replace(/&/g, 'and')
    .replace(/[:\s]+/g, '-').replace(/-+/g, '-');

// What Unicode calls each emoji, by code points and by name.
const meta = json('emojibase-data/meta/groups.json');
const byHex = {};
const bySlug = {};
// The names that chats know it by: no two emoji share one ("car" is the automobile, although the taxi is tagged so too).
const shortcodes = json('emojibase-data/en/shortcodes/github.json');
for (const e of json('emojibase-data/en/data.json')) {
  for (const v of [e, ...(e.skins || [])]) {
    const sub = meta.subgroups[e.subgroup] || 'none';
    const group = meta.groups[e.group] || 'none';
    const cls = sub in CLASS ? CLASS[sub] : sub;
    const aliases = [shortcodes[e.hexcode] ?? []].flat().map((code) => code.replace(/_/g, ' '));
    const said = { label: e.label, aliases, keywords: e.tags ?? [] };
    const r = { hex: v.hexcode, base: e.hexcode, ...said, group, sub, cls, tone: v === e ? 0 : v.tone };
    byHex[hexKey(v.hexcode)] = r;
    const s = slug(v.label);
    bySlug[s] = r;
    bySlug[s.replace(/-/g, '')] ??= r;
  }
}

const [pkg, licence] = STYLES[style];
const icons = json(`@iconify-json/${pkg}/icons.json`);
// The colour set has no chars.json of its own; its names are those of the flat set.
const chars = json(`@iconify-json/${style === 'fluent-color' ? 'fluent-emoji-flat' : pkg}/chars.json`);
const hexOf = {};
for (const hex in chars) (hexOf[chars[hex]] ??= []).push(hex);

fs.mkdirSync(`${OUT}/${style}`, { recursive: true });
const seen = new Set();
const rows = [];
let skipped = 0;
for (const [name, icon] of Object.entries(icons.icons)) {
  if (icon.hidden) continue;
  if (limit && rows.length >= +limit) break;
  const hits = (hexOf[name] || []).map((h) => byHex[hexKey(h)]).filter(Boolean);
  const r = hits[0] || bySlug[name] || bySlug[name.replace(/-/g, '')];
  if (!r || r.tone !== 0 || DROPPED.has(r.group) || r.cls === null || seen.has(r.hex)) {
    skipped++;
    continue;
  }
  seen.add(r.hex);
  const w = icon.width || icons.width || 16;
  const h = icon.height || icons.height || 16;
  const m = Math.max(w, h);
  const box = [(icon.left || 0) - (m - w) / 2, (icon.top || 0) - (m - h) / 2, m, m].join(' ');
  const R = style === 'fluent-color' ? 2 * S : S; // 2x supersampling: librsvg's masks in this set are not anti-aliased
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="${R}" height="${R}" viewBox="${box}">${icon.body}</svg>`;
  let image = sharp(Buffer.from(svg));
  if (R > S) image = sharp(await image.png({ compressionLevel: 0 }).toBuffer()).resize(S, S, { kernel: 'lanczos3' });
  const file = `${style}/${r.hex}.png`;
  fs.writeFileSync(`${OUT}/${file}`, await image.ensureAlpha().png({ compressionLevel: 3 }).toBuffer());
  rows.push(JSON.stringify({ file, style, licence, ...r }));
}
fs.writeFileSync(`${OUT}/part-${style}.jsonl`, rows.join('\n') + '\n');
console.log(`${style}: ${rows.length} pictures, ${skipped} others left out`);
