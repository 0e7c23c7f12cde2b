"""Where other systems than Windows write what rules ask for, by what their records have of their own.

A record is known by its program (syslog, journald), by words of its message that only this vendor writes, or by fields
that only this service has.
"""

from __future__ import annotations

from typing import NamedTuple


class Marks(NamedTuple):
    """By what a record is known: each that is given must hold.

    `programs` may have written it, lower case. `words`: its message has one of these, whatever the case. `fields`: of
    each group the record has at least one. `values`: one of these fields has one of these values, whatever the case.
    """

    programs: frozenset[str] = frozenset()
    words: tuple[str, ...] = ()
    fields: tuple[frozenset[str], ...] = ()
    values: tuple[tuple[frozenset[str], frozenset[str]], ...] = ()


def _by(*programs: str) -> Marks:
    return Marks(programs=frozenset(programs))


def _says(*words: str) -> Marks:
    return Marks(words=words)


def _has(*groups: str) -> Marks:
    """Of each group, names apart by blanks, at least one field."""
    return Marks(fields=tuple(frozenset(group.split()) for group in groups))


_PYTHON = ("python", "python2", "python3", "gunicorn", "uwsgi", "django", "celery")
_JAVA = (
    "java",
    "tomcat",
    "tomcat8",
    "tomcat9",
    "tomcat10",
    "jboss",
    "wildfly",
    "jetty",
    "jvm",
    "spring",
    "catalina.sh",
)
_SQL = ("mysqld", "mariadbd", "mysql", "mariadb", "postgres", "postgresql", "oracle", "sqlservr", "mssql", "sql")
_CISCO = (
    "%sys-",
    "%sec_login-",
    "%parser-",
    "%aaa-",
    "%webui-",
    "%tcp-",
    "%ip-tcp-",
    "%bgp-",
    "%ldp-",
    "%link-",
    "%pki-",
)
_PALO_ALTO = (_by("gpsvc", "globalprotect"), _says("globalprotect"), _has("TargetFilename", "serial device_name"))

# By service, of any product: who writes to syslog or the journal.
PROGRAMS: dict[tuple[str | None, str | None, str | None], tuple[Marks, ...]] = {
    (None, "linux", "auth"): (
        _by(
            "sshd", "sshd-session", "sudo", "su", "login", "pkexec", "polkitd", "systemd-logind", "useradd", "groupadd"
        ),
        _by("usermod", "passwd", "chpasswd", "cron", "crond", "gdm-password", "polkit-agent-helper-1"),
    ),
    (None, "linux", "clamav"): (_by("clamd", "clamscan", "clamdscan", "freshclam", "clamav", "clamav-daemon"),),
    (None, "linux", "cron"): (_by("cron", "crond", "crontab", "anacron"),),
    (None, "linux", "guacamole"): (_by("guacd", "guacamole", "tomcat", "tomcat9", "tomcat10"),),
    (None, "linux", "sshd"): (_by("sshd", "sshd-session", "sshd-auth"),),
    (None, "linux", "sudo"): (_by("sudo"),),
    (None, "linux", "vsftpd"): (_by("vsftpd"),),
    (None, None, "apache"): (_by("apache", "apache2", "httpd"),),
    (None, None, "nginx"): (_by("nginx"),),
    ("application", "django", None): (_by(*_PYTHON),),
    ("application", "python", None): (_by(*_PYTHON),),
    ("application", "jvm", None): (_by(*_JAVA),),
    ("application", "spring", None): (_by(*_JAVA),),
    ("application", "velocity", None): (_by(*_JAVA),),
    ("application", "nodejs", None): (_by("node", "nodejs", "npm", "pm2"),),
    ("application", "ruby_on_rails", None): (_by("ruby", "rails", "puma", "unicorn", "passenger"),),
    ("application", "sql", None): (_by(*_SQL),),
    ("database", None, None): (_by(*_SQL),),
    (None, "cisco", "aaa"): (_by("tac_plus", "tac_plus-ng"), _says(*_CISCO)),
    (None, "cisco", "bgp"): (_says("%ip-tcp-", "%tcp-", "%bgp-"),),
    (None, "cisco", "ldp"): (_says("%ldp-", "%tcp-", "%ip-tcp-"),),
    (None, "cisco", "syslog"): (_says(*_CISCO),),
    (None, "huawei", "bgp"): (_says("%%01bgp", "bgp/"),),
    (None, "juniper", "bgp"): (_by("rpd", "mgd", "kernel", "/kernel"),),
    (None, "fortios", "sslvpnd"): (_by("sslvpnd"), _says("devname="), _has("devname devid logid")),
    (None, "fortigate", "event"): (_says('type="event"', "type=event"), _has("devname devid logid cfgpath")),
    ("appliance", "paloalto", "globalprotect"): _PALO_ALTO,
    ("file_event", "paloalto", "globalprotect"): _PALO_ALTO,
}

_W3C = _has("cs-method sc-status cs-uri-stem cs-uri-query")
_MAC = (
    frozenset({"platform", "os", "OS", "os.type", "host.os.type", "os_type"}),
    frozenset({"macos", "darwin", "mac"}),
)

# Records that are one JSON object, by the fields that only they have.
FIELDS: dict[tuple[str | None, str | None, str | None], tuple[Marks, ...]] = {
    ("webserver", None, None): (_W3C,),
    ("proxy", None, None): (_has("c-uri cs-uri r-dns c-useragent cs-host c-uri-extension c-uri-query"),),
    ("dns", None, None): (
        _has("query", "record_type answer answers qtype_name rcode rrtype qtype"),
        _has("record_type"),
    ),
    ("firewall", None, None): (_has("dst_ip dest_ip", "src_ip"),),
    ("antivirus", None, None): (_has("Signature", "Filename FileName"),),
    ("application", "kubernetes", "audit"): (_has("objectRef auditID", "verb"),),
    (None, "kubernetes", "audit"): (_has("objectRef auditID requestURI", "verb"),),
    ("application", "opencanary", None): (_has("logtype", "dst_host node_id src_host logdata"),),
    ("application", "rpc_firewall", None): (_has("InterfaceUuid", "OpNum EventLog EventID"),),
    (None, "aws", "cloudtrail"): (_has("eventSource", "eventName", "awsRegion eventVersion eventID userIdentity"),),
    (None, "azure", "activitylogs"): (
        _has("operationName", "resourceId resourceGroupName correlationId subscriptionId resourceProviderName"),
        _has("OperationNameValue OperationName", "CategoryValue ResourceProviderValue SubscriptionId"),
    ),
    (None, "azure", "auditlogs"): (
        _has("loggedByService LoggedByService activityDisplayName ActivityDisplayName targetResources TargetResources"),
        _has("operationName OperationName", "initiatedBy InitiatedBy properties"),
        Marks(values=((frozenset({"category", "Category", "Type"}), frozenset({"auditlogs"})),)),
    ),
    (None, "azure", "signinlogs"): (
        _has(
            "ResultType AppDisplayName appDisplayName conditionalAccessStatus ConditionalAccessStatus signInEventTypes"
        ),
        Marks(
            values=(
                (
                    frozenset({"category", "Category", "Type"}),
                    frozenset({"signinlogs", "noninteractiveusersigninlogs"}),
                ),
            )
        ),
    ),
    (None, "azure", "pim"): (_has("riskEventType alertType"),),
    (None, "azure", "riskdetection"): (_has("riskEventType"),),
    (None, "bitbucket", "audit"): (_has("auditType"), _has("auditType.category")),
    (None, "cisco", "duo"): (_has("event_type eventtype", "access_device auth_device txid factor reason"),),
    (None, "gcp", "gcp.audit"): (_has("protoPayload data.protoPayload gcp.audit.method_name gcp"),),
    (None, "gcp", "google_workspace.admin"): (
        _has("eventService", "eventName"),
        Marks(values=((frozenset({"id.applicationName"}), frozenset({"admin"})),)),
    ),
    (None, "gcp", "google_workspace.login"): (
        _has("protoPayload.serviceName protoPayload.Servicename protoPayload.metadata"),
    ),
    (None, "github", "audit"): (_has("action", "actor org repo business actor_id org_id"),),
    (None, "m365", "audit"): (_has("Operation", "Workload RecordType OrganizationId"),),
    (None, "m365", "exchange"): (_has("eventSource", "eventName"), _has("Operation", "Workload")),
    (None, "m365", "threat_detection"): (_has("eventSource", "eventName"), _has("Operation", "Workload")),
    (None, "m365", "threat_management"): (_has("eventSource", "eventName"), _has("Operation", "Workload")),
    (None, "okta", "okta"): (_has("eventType eventtype", "actor outcome displayMessage published legacyEventType"),),
    (None, "onelogin", "onelogin.events"): (_has("event_type_id"),),
    (None, "zeek", "dce_rpc"): (_has("operation", "endpoint named_pipe"),),
    (None, "zeek", "dns"): (_has("query", "id.orig_h id.resp_h id.resp_p uid qtype_name"),),
    (None, "zeek", "http"): (_has("method uri user_agent status_code c-uri", "id.orig_h id.resp_h uid"),),
    (None, "zeek", "kerberos"): (_has("request_type", "cipher service client"),),
    (None, "zeek", "rdp"): (_has("cookie keyboard_layout client_build security_protocol", "id.orig_h id.resp_h uid"),),
    (None, "zeek", "smb_files"): (
        _has("name path", "action share_type", "id.orig_h id.resp_h uid"),
        _has("path", "name", "uid"),
    ),
    (None, "zeek", "x509"): (_has("certificate.serial certificate"),),
    ("process_creation", "macos", None): (Marks(values=(_MAC,), fields=(frozenset({"Image", "CommandLine"}),)),),
    ("file_event", "macos", None): (Marks(values=(_MAC,), fields=(frozenset({"TargetFilename"}),)),),
}
