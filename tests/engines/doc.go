// Package engines tests the path of an hour against real engines: Hadoop 3.4.2
// (Streaming, TextInputFormat, S3A, YARN in one JVM) and Spark 3.5.6.
//
// "make test-engines" fetches them, by the versions pinned in hadoop/pom.xml,
// yarn/pom.xml and engines.mk, and runs the tests with PENSTOCK_ENGINES set to
// their folder. Without it every test is skipped. The tarball of Hadoop is in no
// package registry: distribution lays the jars out as it has them, for what
// HADOOP_HOME names. "make measure-engines" makes the tables of docs/SCALE.md.
package engines
