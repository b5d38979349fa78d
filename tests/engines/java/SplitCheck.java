import java.nio.file.Files;
import java.util.ArrayList;
import java.util.List;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.io.LongWritable;
import org.apache.hadoop.io.Text;
import org.apache.hadoop.mapred.JobConf;
import org.apache.hadoop.mapred.Reporter;
import org.apache.hadoop.mapreduce.Job;
import org.apache.hadoop.mapreduce.TaskAttemptID;
import org.apache.hadoop.mapreduce.task.TaskAttemptContextImpl;

/**
 * Reads bzip2 files through Hadoop's TextInputFormat, by the new and by the old API, in splits that
 * the caller chooses, and tells how many lines came out and a hash of them that does not depend on
 * their order.
 *
 * <p>Usage: SplitCheck LIST. Each line of LIST is FILE TAB HOW: "size N" cuts the file as the input
 * format does for splits of N bytes; "edges STEP" cuts it in two at each STEP-th byte. For each line,
 * API and cut one line is printed: FILE TAB API TAB CUT TAB SPLITS TAB LINES TAB HASH. With "edges",
 * cuts that agree with the one before are left out and counted in a last line, whose CUT is "edges".
 */
public class SplitCheck {
  /** What came out: the number of lines and the sum of their hashes (FNV-1a, 64 bits). */
  static final class Tally {
    long lines;
    long hash;

    void add(Text t) {
      long h = 0xcbf29ce484222325L;
      byte[] b = t.getBytes();
      for (int i = 0; i < t.getLength(); i++) {
        h = (h ^ (b[i] & 0xff)) * 0x100000001b3L;
      }
      hash += h;
      lines++;
    }
  }

  interface Api {
    /** Reads bytes from start on; the splits of a size if length is negative. Returns their number. */
    int read(Path file, long start, long length, Tally out) throws Exception;
  }

  static int readNew(Path file, long start, long length, Tally out) throws Exception {
    var job = Job.getInstance(new Configuration(defaults));
    var format = new org.apache.hadoop.mapreduce.lib.input.TextInputFormat();
    List<org.apache.hadoop.mapreduce.InputSplit> splits = new ArrayList<>();
    if (length >= 0) {
      splits.add(new org.apache.hadoop.mapreduce.lib.input.FileSplit(file, start, length, new String[0]));
    } else {
      job.getConfiguration().setLong("mapreduce.input.fileinputformat.split.maxsize", start);
      org.apache.hadoop.mapreduce.lib.input.FileInputFormat.addInputPath(job, file);
      splits = format.getSplits(job);
    }
    for (var split : splits) {
      var context = new TaskAttemptContextImpl(job.getConfiguration(), new TaskAttemptID());
      try (var reader = format.createRecordReader(split, context)) {
        reader.initialize(split, context);
        while (reader.nextKeyValue()) {
          out.add(reader.getCurrentValue());
        }
      }
    }
    return splits.size();
  }

  static int readOld(Path file, long start, long length, Tally out) throws Exception {
    var job = new JobConf(defaults);
    var format = new org.apache.hadoop.mapred.TextInputFormat();
    org.apache.hadoop.mapred.InputSplit[] splits;
    if (length >= 0) {
      splits = new org.apache.hadoop.mapred.InputSplit[] {
        new org.apache.hadoop.mapred.FileSplit(file, start, length, new String[0])
      };
    } else {
      job.setLong("fs.local.block.size", start);
      org.apache.hadoop.mapred.FileInputFormat.setInputPaths(job, file);
      format.configure(job);
      long size = Files.size(java.nio.file.Path.of(file.toUri().getPath()));
      splits = format.getSplits(job, (int) Math.max(1, size / start));
    }
    format.configure(job);
    for (var split : splits) {
      try (var reader = format.getRecordReader(split, job, Reporter.NULL)) {
        LongWritable key = reader.createKey();
        Text value = reader.createValue();
        while (reader.next(key, value)) {
          out.add(value);
        }
      }
    }
    return splits.length;
  }

  static Configuration defaults = new Configuration();

  static void print(String file, String api, String cut, long splits, Tally t) {
    System.out.printf("%s\t%s\t%s\t%d\t%d\t%016x%n", file, api, cut, splits, t.lines, t.hash);
  }

  static void edges(String file, String name, Api api, long step) throws Exception {
    Path path = new Path("file://" + file);
    long size = Files.size(java.nio.file.Path.of(file));
    Tally last = null;
    long cuts = 0;
    for (long at = 1; at < size; at += step, cuts++) {
      Tally t = new Tally();
      api.read(path, 0, at, t);
      api.read(path, at, size - at, t);
      if (last == null || last.lines != t.lines || last.hash != t.hash) {
        print(file, name, "at " + at, 2, t);
      }
      last = t;
    }
    print(file, name, "edges", cuts, last == null ? new Tally() : last);
  }

  public static void main(String[] args) throws Exception {
    defaults.set("fs.defaultFS", "file:///");
    for (String line : Files.readAllLines(java.nio.file.Path.of(args[0]))) {
      String[] words = line.split("\t");
      String file = words[0];
      long n = Long.parseLong(words[1].substring(words[1].indexOf(' ') + 1));
      String[] names = {"new", "old"};
      Api[] apis = {SplitCheck::readNew, SplitCheck::readOld};
      for (int i = 0; i < apis.length; i++) {
        if (words[1].startsWith("edges ")) {
          edges(file, names[i], apis[i], n);
          continue;
        }
        Tally t = new Tally();
        int splits = apis[i].read(new Path("file://" + file), n, -1, t);
        print(file, names[i], words[1], splits, t);
      }
    }
  }
}
