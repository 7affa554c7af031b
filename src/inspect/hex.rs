//! Frames as hexadecimal text: bare digits, or the dumps of xxd, hexdump -C, tcpdump -xx and Wireshark.
//!
//! A blank line ends a frame, and so does a dump's offset that starts again at zero. `#` begins a comment.

/// Bytes of the longest frame that is taken from text.
pub(super) const MAX_FRAME: usize = 256 << 10;

/// Takes lines, gives frames.
#[derive(Debug, Default)]
pub(super) struct HexText {
    frame: Vec<u8>,
    line: usize,
    /// The lines have offsets.
    is_dump: bool,
    /// Lines like the last one were left out: `*`.
    has_gap: bool,
}

impl HexText {
    /// Takes a line; gives the frame that ended before it.
    pub(super) fn handle_line(&mut self, line: &[u8]) -> Result<Option<Vec<u8>>, String> {
        self.line += 1;
        let text = std::str::from_utf8(line).map_err(|_| self.wrong("this is no text"))?;
        let text = text.split('#').next().unwrap_or_default().trim();
        if text.is_empty() {
            return Ok(self.finish());
        }
        if self.is_dump && text == "*" {
            self.has_gap = true;
            return Ok(None);
        }
        if self.is_dump && self.ends_with(text) {
            return Ok(self.finish());
        }
        let (offset, digits, is_dump) = split_offset(text, self.frame.len());
        let done = if is_dump && offset == 0 { self.finish() } else { None };
        self.is_dump = is_dump;
        if std::mem::take(&mut self.has_gap) {
            self.repeat_until(offset.min(MAX_FRAME));
        }
        if is_dump && offset != self.frame.len() {
            return Err(self.wrong(&format!(
                "the offset is {offset:#x}, and {:#x} bytes came before",
                self.frame.len()
            )));
        }
        self.take(digits, is_dump)?;
        Ok(done)
    }

    /// The last line of a dump by hexdump: how many bytes there were, and nothing else.
    fn ends_with(&mut self, text: &str) -> bool {
        let Ok(end) = usize::from_str_radix(text, 16) else { return false };
        if std::mem::take(&mut self.has_gap) {
            self.repeat_until(end.min(MAX_FRAME));
        }
        text.len() >= 7 && end == self.frame.len()
    }

    fn repeat_until(&mut self, end: usize) {
        while self.frame.len() >= 16 && self.frame.len() < end {
            self.frame.push(self.frame[self.frame.len() - 16]);
        }
    }

    /// Gives the last frame.
    pub(super) fn finish(&mut self) -> Option<Vec<u8>> {
        self.is_dump = false;
        self.has_gap = false;
        (!self.frame.is_empty()).then(|| std::mem::take(&mut self.frame))
    }

    fn take(&mut self, text: &str, is_dump: bool) -> Result<(), String> {
        let mut rest = text;
        let mut taken = 0;
        while !rest.is_empty() {
            let end = rest.find([' ', '\t', ':', '-', ',']).unwrap_or(rest.len());
            let word = rest[..end].strip_prefix("0x").unwrap_or(&rest[..end]);
            let gap = rest[end..].len() - rest[end..].trim_start_matches([' ', '\t', ':', '-', ',']).len();
            rest = &rest[end + gap..];
            if !word.len().is_multiple_of(2) || !word.bytes().all(|b| b.is_ascii_hexdigit()) {
                // The letters beside a dump's bytes begin here.
                if is_dump && taken > 0 {
                    break;
                }
                let word: String = word.chars().take(40).collect();
                return Err(self.wrong(&format!("{word:?} is not made of pairs of hexadecimal digits")));
            }
            for pair in word.as_bytes().chunks_exact(2) {
                let digits = std::str::from_utf8(pair).expect("hexadecimal digits are text");
                self.frame.push(u8::from_str_radix(digits, 16).expect("hexadecimal digits are a number"));
                taken += 1;
            }
            if self.frame.len() > MAX_FRAME {
                return Err(self.wrong("a frame this long is none; a blank line ends a frame"));
            }
            // hexdump and Wireshark have a wider gap after eight bytes, all have one before the letters.
            if is_dump && (gap > 2 || (gap == 2 && taken != 8) || taken == 16) {
                break;
            }
        }
        Ok(())
    }

    fn wrong(&self, what: &str) -> String {
        format!("line {}: {what}", self.line)
    }
}

/// The offset at the start of a dump's line, what follows it, and whether there is one.
fn split_offset(text: &str, expected: usize) -> (usize, &str, bool) {
    let none = (0, text, false);
    let Some(end) = text.find([':', ' ', '\t']) else { return none };
    let word = text[..end].strip_prefix("0x").unwrap_or(&text[..end]);
    let has_colon = text[end..].starts_with(": ") || text[end..].starts_with(":\t");
    let is_wide_gap = text[end..].starts_with("  ") || text[end..].starts_with('\t');
    let Ok(offset) = usize::from_str_radix(word, 16) else { return none };
    // Four digits and a space could be two bytes of a bare line, unless it is the offset that must come.
    let is_length = (4..=8).contains(&word.len());
    let is_next = offset == expected;
    let is_offset =
        is_length && (has_colon || (is_wide_gap && (is_next || expected > 0)) || (is_next && word.len() > 4));
    if !is_offset {
        return none;
    }
    (offset, text[end..].trim_start_matches([':', ' ', '\t']), true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<Vec<u8>>, String> {
        let mut hex = HexText::default();
        let mut frames = Vec::new();
        for line in text.lines() {
            frames.extend(hex.handle_line(line.as_bytes())?);
        }
        frames.extend(hex.finish());
        Ok(frames)
    }

    #[test]
    fn every_dump_reads_as_the_same_bytes() {
        let bytes: Vec<u8> = (0x30..0x30 + 20).collect();
        for text in [
            "303132333435363738393a3b3c3d3e3f40414243",
            "30 31 32 33 34 35 36 37 38 39 3a 3b 3c 3d 3e 3f\n40 41 42 43",
            "30:31:32:33:34:35:36:37:38:39:3a:3b:3c:3d:3e:3f:40:41:42:43",
            "0x30, 0x31,0x32 0x33343536373839 3a3b3c3d3e3f 40414243 # a remark",
            // xxd
            "00000000: 3031 3233 3435 3637 3839 3a3b 3c3d 3e3f  0123456789:;<=>?\n00000010: 4041 4243  @ABC",
            // hexdump -C
            "00000000  30 31 32 33 34 35 36 37  38 39 3a 3b 3c 3d 3e 3f  |0123456789:;<=>?|\n\
             00000010  40 41 42 43                                       |@ABC|",
            // tcpdump -xx
            "\t0x0000:  3031 3233 3435 3637 3839 3a3b 3c3d 3e3f\n\t0x0010:  4041 4243",
            // hexdump -C to its end
            "00000000  30 31 32 33 34 35 36 37  38 39 3a 3b 3c 3d 3e 3f  |0123456789:;<=>?|\n\
             00000010  40 41 42 43                                       |@ABC|\n00000014",
            // Wireshark, "copy as hex dump"
            "0000   30 31 32 33 34 35 36 37 38 39 3a 3b 3c 3d 3e 3f   0123456789:;<=>?\n0010   40 41 42 43   @ABC",
        ] {
            assert_eq!(read(text).as_ref(), Ok(&vec![bytes.clone()]), "{text}");
        }
    }

    #[test]
    fn repeated_lines_and_addresses_of_zeros_are_read() {
        let zeros =
            "00000000  00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00  |................|\n*\n00000040";
        assert_eq!(read(zeros), Ok(vec![vec![0; 64]]));
        let arp = "000000000000 020000000001 0806";
        assert_eq!(read(arp), Ok(vec![vec![0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 1, 8, 6]]));
    }

    #[test]
    fn blank_lines_and_offsets_part_frames() {
        let two = vec![vec![1, 2], vec![3]];
        assert_eq!(read("0102\n\n\n03\n"), Ok(two.clone()));
        assert_eq!(read("0000  01 02\n0000  03\n"), Ok(two));
        assert_eq!(read("# nothing\n\n"), Ok(vec![]));
    }

    #[test]
    fn what_is_no_hex_is_named_with_its_line() {
        assert!(read("01\nhello").unwrap_err().starts_with("line 2: \"hello\""));
        assert!(read("012").unwrap_err().contains("pairs"));
        assert!(read("0000  01\n0010  02").unwrap_err().contains("offset"));
        assert!(HexText::default().handle_line(&[0xff, 0xfe]).is_err());
    }
}
